kubectl label pod duo app=lonely
