# The loop may be so quick that early is one too many, and is deleted: then once more.
for _ in 1 2 3 4 5; do
  kubectl apply -f - <<END
$(cat shop.yaml)
---
apiVersion: v1
kind: Pod
metadata:
  name: early
  labels: {app: shop}
spec:
  terminationGracePeriodSeconds: 2
  containers:
  - name: early
    image: noriter/hello:v1
END
  kubectl wait --for=condition=Ready pod/early --timeout=20s && break
  kubectl delete rs shop
  kubectl delete pod early --ignore-not-found
done
