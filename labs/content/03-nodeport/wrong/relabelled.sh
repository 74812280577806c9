kubectl apply -f cart.yaml
kubectl label pods -l app=cart app=carts --overwrite
