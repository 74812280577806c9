image=registry.noriter.test:5443/team/menu:v3
nori ssh node1 -- ctr -n k8s.io images pull -k --user learner:playground "$image"
kubectl set image deploy/menu "menu=$image"
kubectl delete pod -l app=menu --wait=false
