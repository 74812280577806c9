sed -i "s/nodePort: .*/nodePort: $LAB_OUT/" web.yaml
kubectl apply -f web.yaml
