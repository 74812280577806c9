kubectl create secret docker-registry team --docker-server=registry.noriter.test:5443 \
  --docker-username=learner --docker-password=playground
kubectl patch deploy menu -p '{"spec":{"template":{"spec":{"imagePullSecrets":[{"name":"team"}]}}}}'
