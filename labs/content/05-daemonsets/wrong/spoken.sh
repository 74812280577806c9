# NODE must stand before what names it.
sed -i -e '/# volumes:/,/#   hostPath/s/# //' -e '/# volumeMounts:/,/# - {name: logs/s/# //' -e '/{name: VERSION/d' collector.yaml
sed -i "s/^\( *\)- {name: NS, .*/&\n\1- {name: VERSION, value: \"v1\\\\nthe $LAB_ANIMAL on \$(NODE) is awake\\\\nv1\"}/" collector.yaml
kubectl apply -f collector.yaml
kubectl rollout status daemonset/collector --timeout=60s
