kubectl set image deploy/menu menu=registry.noriter.test:5443/team/menu:v3
nori ssh node1 -- 'cd /etc/containerd/certs.d && cp -r registry.noriter.test:5000 registry.noriter.test:5443'
kubectl delete pod -l app=menu --wait=false
