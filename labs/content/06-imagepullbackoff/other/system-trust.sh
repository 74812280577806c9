kubectl set image deploy/menu menu=registry.noriter.test:5443/team/menu:v3
nori ssh control -- cat /etc/noriter/registry/ca.crt > ca.crt
nori ssh node1 -- 'cat > /usr/local/share/ca-certificates/team.crt
update-ca-certificates
systemctl restart containerd' < ca.crt
kubectl delete pod -l app=menu --wait=false
