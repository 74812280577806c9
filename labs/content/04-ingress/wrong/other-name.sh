openssl req -x509 -newkey rsa:2048 -nodes -days 30 -keyout tls.key -out tls.crt \
    -subj "/CN=shop" -addext "subjectAltName=DNS:shop.$LAB_NAMESPACE.test" 2>/dev/null
kubectl create secret tls checkout-tls --cert=tls.crt --key=tls.key
kubectl patch ingress checkout --type merge -p "{\"spec\": {\"tls\": [{\"hosts\": [\"checkout.$LAB_NAMESPACE.test\"], \"secretName\": \"checkout-tls\"}]}}"
