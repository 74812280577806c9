kubectl set env deployment/blog MESSAGE=shop
kubectl rollout status deployment/blog --timeout=60s
