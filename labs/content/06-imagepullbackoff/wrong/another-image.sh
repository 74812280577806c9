kubectl set image deploy/menu menu=noriter/hello:v2
