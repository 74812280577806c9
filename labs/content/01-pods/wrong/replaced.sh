kubectl delete pod hello --grace-period=1
kubectl run hello --image=noriter/hello:v1 --labels=team="$LAB_COLOR"
