sed -i -e '/# volumes:/,/#   hostPath/s/# //' -e '/# volumeMounts:/,/# - {name: logs/s/# //' collector.yaml
sed -i -e 's|path: /var/log,|path: /var/log/containers,|' -e 's|mountPath: /var/log,|mountPath: /var/log/containers,|' collector.yaml
kubectl apply -f collector.yaml
