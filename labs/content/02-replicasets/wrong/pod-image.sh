pod=$(kubectl get pods -l app=web -o name | head -1)
kubectl set image "$pod" web=noriter/hello:v2
