sed -i 's#^spec:$#spec:\n  defaultBackend:\n    service:\n      name: sorry\n      port:\n        number: 80#' api.yaml
kubectl apply -f api.yaml
