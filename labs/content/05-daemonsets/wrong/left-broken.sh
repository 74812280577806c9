kubectl set image daemonset/collector collector=busybox:1.73
