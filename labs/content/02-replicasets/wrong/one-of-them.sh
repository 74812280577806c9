sed 's/replicas: 3/replicas: 1/' web.yaml | kubectl apply -f -
