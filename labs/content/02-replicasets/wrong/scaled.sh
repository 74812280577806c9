kubectl scale rs web --replicas=1
kubectl wait --for=jsonpath='{.status.replicas}'=1 rs/web --timeout=40s
kubectl scale rs web --replicas=3
