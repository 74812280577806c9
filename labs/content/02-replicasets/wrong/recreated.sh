kubectl delete rs web
kubectl apply -f web.yaml
