kubectl set env daemonset/collector VERSION=v2
kubectl rollout status daemonset/collector --timeout=60s
