kubectl apply -f front.yaml
