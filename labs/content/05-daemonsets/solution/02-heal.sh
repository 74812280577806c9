kubectl delete "$(kubectl get pods -l app=collector -o name | head -1)"
