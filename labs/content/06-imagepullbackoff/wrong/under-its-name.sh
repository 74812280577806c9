nori ssh node1 -- ctr -n k8s.io images tag docker.io/noriter/hello:v1 registry.noriter.test:5000/team/menu:v2
kubectl set image deploy/menu menu=registry.noriter.test:5000/team/menu:v2
