kubectl apply -f - <<END
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: detour
spec:
  ingressClassName: nginx
  rules:
  - host: checkout.$LAB_NAMESPACE.test
    http:
      paths:
      - path: /
        pathType: Prefix
        backend: {service: {name: cart, port: {number: 80}}}
END
