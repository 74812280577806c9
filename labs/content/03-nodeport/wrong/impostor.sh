kubectl apply -f cart.yaml
kubectl run impostor --image=noriter/hello:v1 --labels=app=carts
