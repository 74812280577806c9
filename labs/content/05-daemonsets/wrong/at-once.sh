kubectl patch daemonset collector --patch '{"spec":{"updateStrategy":{"type":"OnDelete","rollingUpdate":null}}}'
kubectl set env daemonset/collector VERSION=v2
kubectl delete pods -l app=collector
