cat >> duo.yaml <<END
  - name: writer
    image: busybox:1.37
    command: ["sh", "-c"]
    args: ["echo $LAB_COLOR > /pages/index.html; sleep 1d"]
    volumeMounts:
    - name: pages
      mountPath: /pages
END
kubectl apply -f duo.yaml
