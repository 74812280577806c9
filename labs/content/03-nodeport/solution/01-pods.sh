kubectl create deployment web --image=noriter/hello:v1 --replicas=3
kubectl rollout status deployment/web --timeout=60s
ip=$(kubectl get pods -l app=web -o jsonpath='{.items[0].status.podIP}')
kubectl exec client -- wget -qO- "http://$ip:8080/"
