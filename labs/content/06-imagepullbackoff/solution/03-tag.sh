nori ssh node1 -- curl -s http://registry.noriter.test:5000/v2/team/menu/tags/list
kubectl set image deploy/menu menu=registry.noriter.test:5000/team/menu:v2
