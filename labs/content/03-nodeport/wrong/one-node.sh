kubectl patch deployment web -p \
  '{"spec":{"replicas":2,"template":{"spec":{"nodeName":"node1"}}}}'
kubectl rollout status deployment/web --timeout=60s
