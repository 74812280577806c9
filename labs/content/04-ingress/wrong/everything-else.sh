kubectl apply -f - <<END
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: rest
spec:
  ingressClassName: nginx
  rules:
  - host: api.$LAB_NAMESPACE.test
    http:
      paths:
      - path: /
        pathType: Prefix
        backend: {service: {name: sorry, port: {number: 80}}}
END
