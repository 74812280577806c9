kubectl apply -f - <<END
apiVersion: v1
kind: Pod
metadata:
  name: duo
spec:
  terminationGracePeriodSeconds: 1
  volumes:
  - name: exchange
    emptyDir: {medium: Memory}
  containers:
  - name: writer
    image: busybox:1.37
    command: ["sh", "-c"]
    args: ["while true; do echo the colour is $LAB_COLOR > /out/index.html; sleep 1; done"]
    volumeMounts:
    - {name: exchange, mountPath: /out}
  - name: server
    image: nginx:1.26
    volumeMounts:
    - {name: exchange, mountPath: /usr/share/nginx/html, readOnly: true}
END
