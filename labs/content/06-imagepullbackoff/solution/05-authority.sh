kubectl set image deploy/menu menu=registry.noriter.test:5443/team/menu:v3
nori ssh control -- cat /etc/noriter/registry/ca.crt > team.crt
nori ssh node1 -- 'cat > /etc/containerd/certs.d/team.crt' < team.crt
nori ssh node1 -- 'r=registry.noriter.test:5443
d=/etc/containerd/certs.d/$r
mkdir -p $d
printf "[host.\"https://$r\"]\n  ca = \"/etc/containerd/certs.d/team.crt\"\n" > $d/hosts.toml'
kubectl delete pod -l app=menu --wait=false
