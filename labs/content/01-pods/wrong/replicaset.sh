kubectl apply -f - <<END
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: lonely
spec:
  replicas: 1
  selector: {matchLabels: {app: lonely}}
  template:
    metadata: {labels: {app: lonely}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: hello
        image: noriter/hello:v1
END
