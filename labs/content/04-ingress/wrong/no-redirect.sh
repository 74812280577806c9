host=checkout.$LAB_NAMESPACE.test
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -keyout tls.key -out tls.crt \
    -subj "/CN=checkout" -addext "subjectAltName=DNS:$host" 2>/dev/null
kubectl create secret tls checkout-tls --cert=tls.crt --key=tls.key
kubectl annotate ingress checkout nginx.ingress.kubernetes.io/ssl-redirect=false
kubectl patch ingress checkout --type merge -p "{\"spec\": {\"tls\": [{\"hosts\": [\"$host\"], \"secretName\": \"checkout-tls\"}]}}"
