sed -i 's/app: carts/app: cart/' cart.yaml
kubectl apply -f cart.yaml
