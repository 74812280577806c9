cat >> duo.yaml <<END
  - name: writer
    image: busybox:1.37
    command: ["sh", "-c"]
    args: ["echo $LAB_COLOR > /pages/index.html; sleep 1d"]
    volumeMounts:
    - name: mine
      mountPath: /pages
END
sed -i 's/^  volumes:/  volumes:\n  - name: mine\n    emptyDir: {}/' duo.yaml
kubectl apply -f duo.yaml
