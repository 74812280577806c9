kubectl apply -f collector.yaml
