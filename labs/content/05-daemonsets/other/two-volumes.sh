kubectl patch daemonset collector --patch '{"spec":{"template":{"spec":{
  "volumes":[
    {"name":"links","hostPath":{"path":"/var/log/containers"}},
    {"name":"files","hostPath":{"path":"/var/log/pods"}}],
  "containers":[{"name":"collector","volumeMounts":[
    {"name":"links","mountPath":"/var/log/containers","readOnly":true},
    {"name":"files","mountPath":"/var/log/pods","readOnly":true}]}]}}}}'
