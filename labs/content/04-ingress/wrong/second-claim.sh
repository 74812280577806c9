kubectl apply -f - <<END
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: exactly
spec:
  ingressClassName: nginx
  rules:
  - host: sale.$LAB_NAMESPACE.test
    http:
      paths:
      - path: /offers
        pathType: Exact
        backend: {service: {name: shop, port: {number: 80}}}
END
