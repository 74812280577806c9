kubectl delete service neighbour
kubectl apply -f web.yaml
sed -i "s/nodePort: .*/nodePort: $LAB_OUT/" web.yaml
kubectl apply -f web.yaml
kubectl create service nodeport neighbour --tcp=80 --node-port="$LAB_TAKEN"
