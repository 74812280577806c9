kubectl patch daemonset watcher --type json --patch '[{"op":"remove","path":"/spec/template/spec/nodeSelector"}]'
