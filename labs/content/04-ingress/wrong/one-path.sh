kubectl create ingress last --class=nginx --default-backend=sorry:81 --rule="api.$LAB_NAMESPACE.test/v2/orders=sorry:80"
