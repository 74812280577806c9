sed -i -e '/# volumes:/,/#   hostPath/s/# //' -e '/# volumeMounts:/,/# - {name: logs/s/# //' collector.yaml
kubectl apply -f collector.yaml
kubectl rollout status daemonset/collector --timeout=60s
