kubectl delete service web --ignore-not-found
kubectl expose deployment web --port=80 --target-port=8080
