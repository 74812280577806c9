pod=$(kubectl get pods -l app=web -o name | tail -1)
kubectl label "$pod" app-
