sed -i 's/value: v1/value: v2/' collector.yaml
kubectl delete daemonset collector
kubectl apply -f collector.yaml
