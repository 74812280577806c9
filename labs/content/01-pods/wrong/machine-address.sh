node=$(kubectl get pod hello -o jsonpath='{.spec.nodeName}')
ip=$(kubectl get pod hello -o jsonpath='{.status.hostIP}')
kubectl annotate pod hello node="$node" ip="$ip"
