kubectl apply -f - <<END
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: api
  annotations:
    nginx.ingress.kubernetes.io/rewrite-target: /
spec:
  ingressClassName: nginx
  rules:
  - host: api.$LAB_NAMESPACE.test
    http:
      paths:
      - path: /v1
        pathType: Prefix
        backend: {service: {name: api, port: {number: 80}}}
END
