kubectl set image rs/web web=noriter/hello:v2
pod=$(kubectl get pods -l app=web -o name | sed -n 1p)
kubectl set image "$pod" web=noriter/hello:v2
