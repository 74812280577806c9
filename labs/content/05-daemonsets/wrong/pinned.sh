kubectl patch daemonset collector --patch '{"spec":{"template":{"spec":{
  "nodeSelector":{"kubernetes.io/hostname":"control"},
  "tolerations":[{"key":"node-role.kubernetes.io/control-plane","operator":"Exists","effect":"NoSchedule"}]}}}}'
