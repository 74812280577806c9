pod=$(kubectl get pods -l app=web -o name | head -1)
kubectl delete "$pod" --wait=false
kubectl run debug --image=noriter/hello:v1 --labels=app=debug
