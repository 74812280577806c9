kubectl delete replicaset,pod -l app=lonely --ignore-not-found
kubectl run lonely --image=noriter/hello:v1 --labels=app=lonely
