sed -i 's/targetPort: .*/targetPort: 8080/' shop.yaml
kubectl apply -f shop.yaml
