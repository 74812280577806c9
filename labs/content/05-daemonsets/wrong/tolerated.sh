kubectl apply -f copies.yaml
kubectl patch deployment copies -p '{"spec":{"template":{"spec":{"tolerations":[{"operator":"Exists"}]}}}}'
kubectl scale deployment copies --replicas=4
kubectl rollout status deployment/copies --timeout=60s
