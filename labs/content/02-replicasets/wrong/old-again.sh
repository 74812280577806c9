kubectl set image rs/web web=noriter/hello:v2
kubectl delete pods -l app=web
kubectl wait --for=jsonpath='{.status.readyReplicas}'="$LAB_COUNT" rs/web --timeout=40s
kubectl set image "$(kubectl get pods -l app=web -o name | sed -n 1p)" web=noriter/hello:v1
