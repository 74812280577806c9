kubectl patch daemonset collector --patch '{"spec":{"updateStrategy":{"type":"OnDelete","rollingUpdate":null}}}'
kubectl set env daemonset/collector VERSION=v2
for pod in $(kubectl get pods -l app=collector -o name); do
  kubectl delete "$pod"
  kubectl wait --for=condition=Ready pod -l app=collector --timeout=30s
done
kubectl patch daemonset collector --patch '{"spec":{"updateStrategy":{"type":"RollingUpdate"}}}'
