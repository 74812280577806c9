cat >> duo.yaml <<END
  - name: writer
    image: busybox:1.37
    command: ["sh", "-c", "echo $LAB_COLOR; exec sleep 1d"]
    volumeMounts:
    - name: pages
      mountPath: /pages
END
kubectl apply -f duo.yaml
kubectl wait --for=condition=Ready pod/duo --timeout=30s
# A page that is there within some seconds may be writer's own.
ready=$(kubectl get pod duo -o jsonpath='{.status.conditions[?(@.type=="Ready")].lastTransitionTime}')
until [ $(($(date +%s) - $(date -d "$ready" +%s))) -gt 16 ]; do sleep 1; done
kubectl exec duo -c web -- sh -c "echo $LAB_COLOR > /usr/share/nginx/html/index.html"
