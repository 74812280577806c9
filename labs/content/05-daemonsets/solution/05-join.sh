ns=$(kubectl config view --minify -o 'jsonpath={..namespace}')
node=$(kubectl get nodes -l '!node-role.kubernetes.io/control-plane' -o 'jsonpath={.items[0].metadata.name}')
kubectl label node "$node" "disk-$ns=ssd"
