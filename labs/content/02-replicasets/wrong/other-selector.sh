kubectl run early --image=noriter/hello:v1 --labels=app=shop
kubectl apply -f - <<END
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: shop
spec:
  replicas: 2
  selector:
    matchLabels: {app: shop, tier: front}
  template:
    metadata:
      labels: {app: shop, tier: front}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
      - name: shop
        image: noriter/hello:v1
END
