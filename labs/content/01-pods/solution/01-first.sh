kubectl run hello --image=noriter/hello:v1
