kubectl create ingress cart --class=nginx --rule="shop.$LAB_NAMESPACE.test/cart=cart:80" \
    --rule="shop.$LAB_NAMESPACE.test/cart/items/*=cart:80"
