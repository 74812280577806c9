kubectl set selector service blog app=shop
kubectl create ingress front --class=nginx --rule="shop.$LAB_NAMESPACE.test/*=blog:80"
