sed -i -e '/# volumes:/,/#   hostPath/s/# //' -e '/# volumeMounts:/,/# - {name: logs/s/# //' collector.yaml
sed -i 's#mountPath: /var/log#mountPath: /mnt#' collector.yaml
kubectl apply -f collector.yaml
kubectl rollout status daemonset/collector --timeout=60s
