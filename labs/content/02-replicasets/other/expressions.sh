sed -i 's/webb/web/' web.yaml
kubectl apply -f - <<END
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: web
spec:
  replicas: 3
  selector:
    matchExpressions:
    - {key: app, operator: In, values: [web]}
  template:
    metadata:
      labels: {app: web, shelf: top}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
      - name: web
        image: noriter/hello:v1
      - name: helper
        image: busybox:1.37
        command: [sh, -c, "trap 'exit 0' TERM; while true; do sleep 1; done"]
END
