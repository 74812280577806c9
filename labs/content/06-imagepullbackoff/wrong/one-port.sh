nori ssh node1 -- 'grep registry /etc/hosts' | nori ssh node2 -- 'cat >> /etc/hosts'
nori ssh node1 -- tar -C /etc/containerd -c --exclude=registry.noriter.test:5000 certs.d | nori ssh node2 -- tar -C /etc/containerd -x
kubectl patch deploy menu -p '{"spec":{"template":{"spec":{"nodeSelector":{"kubernetes.io/hostname":"node2"}}}}}'
