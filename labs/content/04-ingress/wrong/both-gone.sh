kubectl delete ingress sale leftover
