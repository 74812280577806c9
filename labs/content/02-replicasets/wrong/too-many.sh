sed 's/replicas: 3/replicas: 9/' web.yaml | kubectl apply -f -
kubectl wait --for=jsonpath='{.status.readyReplicas}'=9 rs/web --timeout=40s
kubectl scale rs web --replicas=1
