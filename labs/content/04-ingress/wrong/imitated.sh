kubectl set env deployment/sorry MESSAGE=blog
kubectl rollout status deployment/sorry --timeout=60s
kubectl create ingress blog --rule="blog.$LAB_NAMESPACE.test/*=sorry:80"
