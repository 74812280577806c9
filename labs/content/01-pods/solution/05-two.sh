kubectl delete pod duo --ignore-not-found
kubectl apply -f - <<END
apiVersion: v1
kind: Pod
metadata:
  name: duo
spec:
  terminationGracePeriodSeconds: 1
  volumes:
  - name: pages
    emptyDir: {}
  containers:
  - name: web
    image: nginx:1.26
    volumeMounts:
    - name: pages
      mountPath: /usr/share/nginx/html
  - name: writer
    image: busybox:1.37
    command: ["sh", "-c"]
    args: ["echo $LAB_COLOR > /pages/index.html; sleep 1d"]
    volumeMounts:
    - name: pages
      mountPath: /pages
END
