kubectl create deployment web --image=noriter/hello:v1 --replicas=3
kubectl rollout status deployment/web --timeout=60s
kubectl exec deployment/web -- wget -qO- http://127.0.0.1:8080/
