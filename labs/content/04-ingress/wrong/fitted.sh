kubectl get deployment cart -o yaml > deployment.yaml
kubectl delete deployment cart
sed 's/app: cart$/app: carts/' deployment.yaml | kubectl create -f -
kubectl rollout status deployment/cart --timeout=60s
