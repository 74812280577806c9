kubectl patch ingress front --type json -p "[{\"op\": \"add\", \"path\": \"/spec/rules/-\", \"value\":
  {\"host\": \"blog.$LAB_NAMESPACE.test\", \"http\": {\"paths\": [{\"path\": \"/\", \"pathType\": \"Prefix\",
   \"backend\": {\"service\": {\"name\": \"blog\", \"port\": {\"number\": 80}}}}]}}}]"
