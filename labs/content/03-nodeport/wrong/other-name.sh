kubectl create deployment other --image=noriter/hello:v2 --replicas=3 --dry-run=client -o yaml |
  sed 's/app: other/app: web/' | kubectl apply -f -
kubectl rollout status deployment/other --timeout=60s
ip=$(kubectl get pods -l app=web -o jsonpath='{.items[0].status.podIP}')
kubectl exec client -- wget -qO- "http://$ip:8080/"
