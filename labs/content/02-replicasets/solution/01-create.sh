kubectl delete rs web --ignore-not-found
sed -i 's/webb/web/' web.yaml
kubectl apply -f web.yaml
