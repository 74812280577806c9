kubectl apply -f shop-v2.yaml
kubectl apply -f - <<END
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: taste
  annotations:
    nginx.ingress.kubernetes.io/canary: "true"
    nginx.ingress.kubernetes.io/canary-weight: "95"
    nginx.ingress.kubernetes.io/canary-by-header: X-Taste
spec:
  ingressClassName: nginx
  rules:
  - host: shop.$LAB_NAMESPACE.test
    http:
      paths:
      - path: /
        pathType: Prefix
        backend: {service: {name: shop-v2, port: {number: 80}}}
END
