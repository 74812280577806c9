sed -i -e '/# volumes:/,/#   hostPath/s/# //' -e '/# volumeMounts:/,/# - {name: logs/s/# //' collector.yaml
sed -i "s/echo \"collector .*/echo \"the $LAB_ANIMAL on \$NODE is awake\"/" collector.yaml
kubectl apply -f collector.yaml
kubectl rollout status daemonset/collector --timeout=60s
