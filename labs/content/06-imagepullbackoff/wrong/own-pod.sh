kubectl scale deploy menu --replicas=0
kubectl run menu --image=registry.noriter.test:5000/team/menu:v2-amd64 --labels app=menu \
  --overrides='{"spec":{"nodeName":"node1"}}'
