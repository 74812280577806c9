sed -i 's#path: /v1$#path: /v1/?(.*)#' api.yaml
sed -i 's#^  name: api$#  name: api\n  annotations:\n    nginx.ingress.kubernetes.io/use-regex: "true"\n    nginx.ingress.kubernetes.io/rewrite-target: /$1#' api.yaml
kubectl apply -f api.yaml
