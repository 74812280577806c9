kubectl patch ingress leftover --type json -p '[{"op": "replace", "path": "/spec/rules/0/http/paths/0/backend/service/name", "value": "shop"}]'
