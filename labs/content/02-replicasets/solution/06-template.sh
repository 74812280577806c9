kubectl set image rs/web web=noriter/hello:v2
pod=$(kubectl get pods -l app=web -o name | head -1)
kubectl delete "$pod" --wait=false
