sed -i 's/app: web$/app: webb/' web.yaml
kubectl apply -f web.yaml
