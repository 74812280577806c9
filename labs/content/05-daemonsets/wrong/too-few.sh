sed -i 's/replicas: 3/replicas: 1/' copies.yaml
kubectl apply -f copies.yaml
