kubectl patch deployment cart -p '{"spec": {"template": {"metadata": {"labels": {"role": "checkout"}}}}}'
kubectl patch service checkout --type merge -p '{"spec": {"selector": {"app": null, "role": "checkout"}}}'
