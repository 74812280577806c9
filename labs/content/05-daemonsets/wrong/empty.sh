sed -i -e '/# volumes:/,/#   hostPath/s/# //' -e '/# volumeMounts:/,/# - {name: logs/s/# //' collector.yaml
sed -i 's/hostPath: .*/emptyDir: {}/' collector.yaml
kubectl apply -f collector.yaml
