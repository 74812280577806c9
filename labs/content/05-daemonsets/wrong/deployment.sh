sed -i -e 's/kind: DaemonSet/kind: Deployment/' -e 's/^  minReadySeconds: 1/  replicas: 2/' collector.yaml
kubectl apply -f collector.yaml
