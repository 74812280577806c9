kubectl run hello --image=nginx:1.26
