sed -i '/# tolerations:/,/#   effect/s/# //' collector.yaml
kubectl apply -f collector.yaml
kubectl rollout status daemonset/collector --timeout=60s
