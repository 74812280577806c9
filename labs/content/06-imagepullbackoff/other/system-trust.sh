kubectl set image deploy/menu menu=registry.noriter.test:5443/team/menu:v3
nori ssh control -- cat /etc/noriter/registry/ca.crt > ca.crt
for node in node1 node2; do # whoever trusts by the system may well do it everywhere
  nori ssh $node -- 'cat > /usr/local/share/ca-certificates/team.crt
update-ca-certificates
systemctl restart containerd' < ca.crt
done
kubectl delete pod -l app=menu --wait=false
