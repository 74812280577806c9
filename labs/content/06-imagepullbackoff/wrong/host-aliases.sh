ip=$(kubectl get node control -o jsonpath='{.status.addresses[?(@.type=="InternalIP")].address}')
kubectl patch deploy menu -p "{\"spec\":{\"template\":{\"spec\":{\"hostAliases\":[{\"ip\":\"$ip\",\"hostnames\":[\"registry.noriter.test\"]}]}}}}"
