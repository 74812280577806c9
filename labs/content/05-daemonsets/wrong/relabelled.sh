kubectl label "$(kubectl get pods -l app=collector -o name | head -1)" app=other --overwrite
