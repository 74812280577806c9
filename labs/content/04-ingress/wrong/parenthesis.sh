kubectl apply -f - <<END
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: api
  annotations:
    nginx.ingress.kubernetes.io/use-regex: "true"
    nginx.ingress.kubernetes.io/rewrite-target: /\$2
spec:
  ingressClassName: nginx
  rules:
  - host: api.$LAB_NAMESPACE.test
    http:
      paths:
      - path: /v1(/|\$(.*)
        pathType: ImplementationSpecific
        backend: {service: {name: api, port: {number: 80}}}
END
