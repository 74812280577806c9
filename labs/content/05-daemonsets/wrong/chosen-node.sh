sed -i 's/^      containers:/      nodeName: node1\n      containers:/' copies.yaml
kubectl apply -f copies.yaml
