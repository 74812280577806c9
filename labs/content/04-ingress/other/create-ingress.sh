kubectl create ingress street --rule="shop.$LAB_NAMESPACE.test/*=shop:http"
