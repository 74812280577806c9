kubectl apply -f - <<END
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: rest
spec:
  ingressClassName: nginx
  rules:
  - host: '*.$LAB_NAMESPACE.test'
    http:
      paths:
      - path: /
        pathType: Prefix
        backend: {service: {name: blog, port: {number: 80}}}
END
