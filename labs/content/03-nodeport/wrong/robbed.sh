kubectl delete service neighbour
kubectl apply -f web.yaml
