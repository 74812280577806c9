sed -i 's/  - port: .*/  - port: 80/; s/targetPort: .*/targetPort: http/' shop.yaml
kubectl apply -f shop.yaml
