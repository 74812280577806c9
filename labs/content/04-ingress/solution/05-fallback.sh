kubectl patch ingress api --type merge -p '{"spec": {"defaultBackend": {"service": {"name": "sorry", "port": {"number": 80}}}}}'
