kubectl set image daemonset/collector collector=busybox:1.73
for try in {1..60}; do kubectl get pods -l app=collector | grep -q ImagePull && break; sleep 1; done
kubectl rollout undo daemonset/collector --to-revision=1
kubectl rollout status daemonset/collector --timeout=60s
