sed -i '/# volumes:/,/#   hostPath/s/# //' collector.yaml
kubectl apply -f collector.yaml
kubectl rollout status daemonset/collector --timeout=60s
for pod in $(kubectl get pods -l app=collector -o name); do
  kubectl exec "$pod" -- sh -c "echo \"the $LAB_ANIMAL on \$NODE is awake\" > /proc/1/fd/1" || true # one that was replaced is going
done
