pod=$(kubectl get pods -l app=web -o name | sed -n 1p)
kubectl label "$pod" app=x --overwrite
