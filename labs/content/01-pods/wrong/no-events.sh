kubectl set image pod/hello '*=noriter/hello:v2'
kubectl wait --for=jsonpath='{.status.containerStatuses[0].restartCount}'=1 pod/hello --timeout=30s
kubectl set image pod/hello '*=noriter/hello:v1'
kubectl wait --for=jsonpath='{.status.containerStatuses[0].restartCount}'=2 pod/hello --timeout=30s
kubectl delete events --all
