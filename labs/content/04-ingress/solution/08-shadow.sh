kubectl delete ingress leftover
