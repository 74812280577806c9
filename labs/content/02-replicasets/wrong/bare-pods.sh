for i in 1 2 3; do
  kubectl run "web-$i" --image=noriter/hello:v1 --labels=app=web
done
