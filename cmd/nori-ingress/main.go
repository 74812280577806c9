// Command nori-ingress is the ingress controller, which runs in a container
// together with nginx. What it does is in cluster/ingress.
package main

import (
	"os"

	"noriter.dev/noriter/cluster/component"
	"noriter.dev/noriter/cluster/ingress"
)

func main() {
	o := ingress.DefaultOptions()
	os.Exit(component.Main("nori-ingress", "Serves Ingress objects with nginx",
		component.Command("ingress", "watch Ingresses, write nginx.conf, reload nginx", &o, ingress.Run)))
}
