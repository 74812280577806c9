kubectl delete pod hello --ignore-not-found
kubectl run hello --image=noriter/hello:v1
