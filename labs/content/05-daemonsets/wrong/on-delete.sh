kubectl patch daemonset collector --patch '{"spec":{"updateStrategy":{"type":"OnDelete","rollingUpdate":null}}}'
kubectl set env daemonset/collector VERSION=v2
kubectl delete "$(kubectl get pods -l app=collector -o name | head -1)"
