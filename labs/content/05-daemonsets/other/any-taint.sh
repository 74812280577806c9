kubectl patch daemonset collector --patch '{"spec":{"template":{"spec":{"tolerations":[{"operator":"Exists"}]}}}}'
