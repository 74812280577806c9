kubectl create deployment web --image=noriter/hello:v1 --replicas=3
kubectl rollout status deployment/web --timeout=40s
kubectl delete deployment web --cascade=orphan
kubectl delete rs --all --cascade=orphan
sed -i 's/webb/web/; s/hello:v1/nothing:v9/' web.yaml
kubectl apply -f web.yaml
