// Package ingress serves Ingress objects with Debian's nginx: a controller
// that writes nginx.conf from what the API says, has nginx test it, and reloads.
//
// It goes one way, and each station can be looked at by itself:
//
//	world     the Ingresses of our class, Services, EndpointSlices, Secrets
//	Build     world -> Config: servers, their locations, the upstreams
//	Write     Config -> the text of nginx.conf
//	nginx     test, reload
//	status    the addresses where it answers, written into each Ingress
//
// Build and Write are pure functions. What a path or an annotation means, and the
// words of its messages, follow the ingress-nginx controller
// (https://kubernetes.github.io/ingress-nginx), which most clusters ran; the
// order in which rules match is that of the Ingress API.
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
