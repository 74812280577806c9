pod=$(kubectl get pods -l app=web -o name | sed -n '$p')
kubectl label "$pod" app-
