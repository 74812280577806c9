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
    command: ["sh", "-c", "sleep 1; echo $LAB_COLOR > /usr/share/nginx/html/index.html; exec nginx -g 'daemon off;'"]
    volumeMounts:
    - name: pages
      mountPath: /usr/share/nginx/html
  - name: writer
    image: busybox:1.37
    command: ["sh", "-c", "echo $LAB_COLOR; exec sleep 1d"]
    volumeMounts:
    - name: pages
      mountPath: /page
END
