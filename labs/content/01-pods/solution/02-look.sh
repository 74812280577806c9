kubectl get pod hello -o wide
node=$(kubectl get pod hello -o jsonpath='{.spec.nodeName}')
ip=$(kubectl get pod hello -o jsonpath='{.status.podIP}')
kubectl annotate pod hello --overwrite node="$node" ip="$ip"
