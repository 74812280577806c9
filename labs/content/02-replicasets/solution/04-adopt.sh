kubectl run early --image=noriter/hello:v1 --labels=app=shop
kubectl wait --for=condition=Ready pod/early --timeout=30s
kubectl apply -f shop.yaml
