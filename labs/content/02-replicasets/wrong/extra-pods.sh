for i in $(seq 4 "$LAB_COUNT"); do
  kubectl run "web-$i" --image=noriter/hello:v1 --labels=app=web
done
