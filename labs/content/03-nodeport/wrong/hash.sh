kubectl expose deployment web --port=80 --target-port=8080
hash=$(kubectl get pods -l app=web -o jsonpath='{.items[0].metadata.labels.pod-template-hash}')
kubectl set selector service web "pod-template-hash=$hash"
