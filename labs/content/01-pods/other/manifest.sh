kubectl apply -f - <<END
apiVersion: v1
kind: Pod
metadata:
  name: hello
spec:
  containers:
  - name: greeter
    image: noriter/hello:v1
END
