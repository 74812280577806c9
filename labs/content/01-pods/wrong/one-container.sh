kubectl apply -f - <<END
apiVersion: v1
kind: Pod
metadata:
  name: duo
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: web
    image: nginx:1.26
    command: ["sh", "-c"]
    args: ["echo $LAB_COLOR > /usr/share/nginx/html/index.html; exec nginx -g 'daemon off;'"]
END
