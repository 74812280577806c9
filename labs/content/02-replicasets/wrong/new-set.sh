kubectl delete rs web
sed "s/replicas: 3/replicas: $LAB_COUNT/" web.yaml | kubectl apply -f -
