cat >> front.yaml <<END
      - path: /cart
        pathType: Prefix
        backend: {service: {name: cart, port: {number: 80}}}
END
kubectl apply -f front.yaml
