kubectl patch daemonset collector --patch '{"spec":{"updateStrategy":{"type":"OnDelete","rollingUpdate":null}}}'
kubectl set env daemonset/collector VERSION=v2
nodes=$(kubectl get nodes -o name | wc -l)
for pod in $(kubectl get pods -l app=collector -o name); do
  kubectl delete "$pod"
  until [ "$(kubectl get pods -l app=collector -o 'jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}' | grep -c True)" = "$nodes" ]; do
    sleep 1
  done
done
kubectl patch daemonset collector --patch '{"spec":{"updateStrategy":{"type":"RollingUpdate"}}}'
