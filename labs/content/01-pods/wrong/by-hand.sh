cat >> duo.yaml <<END
  - name: writer
    image: busybox:1.37
    command: ["sleep", "1d"]
    volumeMounts:
    - name: pages
      mountPath: /pages
END
kubectl apply -f duo.yaml
kubectl wait --for=condition=Ready pod/duo --timeout=30s
kubectl exec duo -c web -- sh -c "echo $LAB_COLOR > /usr/share/nginx/html/index.html"
