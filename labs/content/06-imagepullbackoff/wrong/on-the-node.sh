nori ssh node1 -- ctr -n k8s.io images pull --hosts-dir /etc/containerd/certs.d --user learner:playground registry.noriter.test:5443/team/menu:v3
kubectl delete pod -l app=menu --wait=false
