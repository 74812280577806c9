kubectl run lonely --image=noriter/hello:v1 --labels=app=lonely
