kubectl rollout restart daemonset/collector
kubectl rollout status daemonset/collector --timeout=60s
