kubectl run collector-zz --image=busybox:1.73
kubectl set image daemonset/collector collector=noriter/hello:v1
kubectl rollout status daemonset/collector --timeout=60s
kubectl set image daemonset/collector collector=busybox:1.37
kubectl rollout status daemonset/collector --timeout=60s
kubectl wait pod/collector-zz --for=jsonpath='{.status.containerStatuses[0].state.waiting.reason}'=ImagePullBackOff --timeout=60s
