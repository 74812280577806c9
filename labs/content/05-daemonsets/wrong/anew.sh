kubectl delete daemonset collector
kubectl apply -f collector.yaml
kubectl rollout status daemonset/collector --timeout=60s
