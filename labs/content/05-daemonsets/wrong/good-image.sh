kubectl set image daemonset/collector collector=nginx:1.26
kubectl rollout status daemonset/collector --timeout=60s
kubectl set image daemonset/collector collector=busybox:1.37
kubectl rollout status daemonset/collector --timeout=60s
