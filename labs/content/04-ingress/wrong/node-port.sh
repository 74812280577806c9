kubectl patch service shop -p '{"spec": {"type": "NodePort"}}'
kubectl apply -f front.yaml
