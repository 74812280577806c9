sed -i 's/  - port: .*/  - port: 80/; s/targetPort: .*/targetPort: 8080/' shop.yaml
kubectl apply -f shop.yaml
