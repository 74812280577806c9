kubectl exec hello -- kill 1
