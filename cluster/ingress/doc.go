// Package ingress serves Ingress objects with Debian's nginx: a controller
// that writes nginx.conf from what the API says, has nginx test it, and reloads.
//
// It goes one way, and each station can be looked at by itself. Its two halves are pure
// functions, and between them stands a configuration that knows nothing of Kubernetes:
//
//	watch.go, world.go       the Ingresses of our class, Services, EndpointSlices, Secrets
//
//	build.go                 world -> nginxConfig, and what is wrong with which Ingress
//	build_annotations.go     what nginx.ingress.kubernetes.io/… asks for
//	build_check.go           what must not get into a file
//	build_locations.go       which rule takes which path
//	build_upstreams.go       the endpoints behind a backend
//	build_canary.go          two backends that share a path
//	build_tls.go             the certificate of each host
//
//	config.go                nginxConfig: servers, their locations, upstreams, canaries
//
//	write.go                 nginxConfig -> the text of nginx.conf; words and quoting
//	write_http.go            what is the same for all, upstreams, canaries
//	write_servers.go         a host
//	write_locations.go       a path
//
//	bisect.go                finds the Ingress that nginx refuses
//	nginx.go                 test, reload, and whether the new workers answer
//	status.go                the addresses where it answers, written into each Ingress
//	controller.go, run.go    all of that, again and again
//
// What a path or an annotation means, and the words of its messages, follow the
// ingress-nginx controller (https://kubernetes.github.io/ingress-nginx), which most
// clusters ran; the order in which rules match is that of the Ingress API.
package ingress

// The names by which the cluster knows the controller.
const (
	// Namespace is where it runs.
	Namespace = "ingress-nginx"
	// Name is that of its Deployment.
	Name = "ingress-nginx-controller"
	// ClassName is the IngressClass that it serves.
	ClassName = "nginx"
	// ControllerName is what an IngressClass says in spec.controller to be ours.
	ControllerName = "k8s.io/ingress-nginx"
	// eventSource is who its events are from.
	eventSource = "nginx-ingress-controller"
)
