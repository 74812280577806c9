kubectl patch ingress api --type merge -p '{"spec": {"defaultBackend": {"service": {"name": "sory", "port": {"number": 80}}}}}'
