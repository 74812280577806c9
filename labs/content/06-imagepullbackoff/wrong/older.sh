kubectl set image deploy/menu menu=registry.noriter.test:5000/team/menu:v1
