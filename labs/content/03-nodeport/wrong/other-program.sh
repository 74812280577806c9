kubectl apply -f shop.yaml
kubectl delete deployment shop
kubectl create deployment shop --image=nginx:1.26
kubectl patch service shop --type=merge -p "{\"spec\":{\"ports\":[{\"port\":80,\"targetPort\":80,\"nodePort\":$LAB_SHOP}]}}"
kubectl rollout status deployment/shop --timeout=60s
