kubectl apply -f - <<END
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: cart
spec:
  ingressClassName: nginx
  rules:
  - host: shop.$LAB_NAMESPACE.test
    http:
      paths:
      - path: /cart
        pathType: ImplementationSpecific
        backend: {service: {name: cart, port: {number: 80}}}
      - path: /cartoons
        pathType: Exact
        backend: {service: {name: shop, port: {number: 80}}}
END
