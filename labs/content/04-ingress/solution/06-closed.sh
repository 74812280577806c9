kubectl patch service checkout -p '{"spec": {"selector": {"app": "cart"}}}'
