nori ssh node1 -- 'echo 127.0.0.1 registry.noriter.test >> /etc/hosts'
kubectl delete pod -l app=menu --wait=false
