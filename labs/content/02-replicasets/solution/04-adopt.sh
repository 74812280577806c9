kubectl delete rs shop --ignore-not-found
kubectl delete pod early --ignore-not-found
kubectl run early --image=noriter/hello:v1 --labels=app=shop
kubectl wait --for=condition=Ready pod/early --timeout=30s
kubectl apply -f shop.yaml
