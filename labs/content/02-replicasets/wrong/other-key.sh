sed -i 's/app: webb/site: webb/; s/^\( *\)app: web$/\1app: web\n\1site: webb/' web.yaml
kubectl apply -f web.yaml
