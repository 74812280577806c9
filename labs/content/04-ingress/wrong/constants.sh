kubectl apply -f - <<END
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: api
  annotations:
    nginx.ingress.kubernetes.io/rewrite-target: /orders/7
spec:
  ingressClassName: nginx
  rules:
  - host: api.$LAB_NAMESPACE.test
    http:
      paths:
      - path: /v1/orders/7
        pathType: Exact
        backend: {service: {name: api, port: {number: 80}}}
END
kubectl apply -f - <<END
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: api-top
  annotations:
    nginx.ingress.kubernetes.io/rewrite-target: /
spec:
  ingressClassName: nginx
  rules:
  - host: api.$LAB_NAMESPACE.test
    http:
      paths:
      - path: /v1
        pathType: Exact
        backend: {service: {name: api, port: {number: 80}}}
END
