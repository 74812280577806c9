kubectl patch deploy menu -p '{"spec":{"template":{"spec":{"containers":[{"name":"menu","imagePullPolicy":"Never"}]}}}}'
