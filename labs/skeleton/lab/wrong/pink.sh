kubectl label pod greeter color=pink --overwrite
