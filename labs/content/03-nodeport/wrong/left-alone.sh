kubectl scale deployment web --replicas=2
kubectl rollout status deployment/web --timeout=60s
kubectl delete deployment web --cascade=orphan
kubectl delete replicaset -l app=web --cascade=orphan
