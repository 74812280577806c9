pod=$(kubectl get pods -l app=web -o name | head -1)
kubectl delete "$pod" --wait=false
