// Package openurl finds the way from this host's browser to an Ingress or a Service of
// a testbed: a URL that works as it is, or a forwarder on the loopback where there is none.
package openurl

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// ErrNoWay says that there is no way to what was asked for, as it is now.
var ErrNoWay = errors.New("it can't be opened")

// Route is where something answers.
type Route struct {
	// Address is host:port, in the testbed's network.
	Address string
	// Scheme is http or https.
	Scheme string
	// Host is what a request must ask for; empty where it does not matter.
	Host string
	// Path is one that is answered.
	Path string
	// Inside says that only the machines can reach Address: it is a Service's own.
	Inside bool
}

// URL is the route for somebody in the testbed's network. It works in a
// browser if Host is empty and Inside is not set.
func (r Route) URL() string {
	host, port, err := net.SplitHostPort(r.Address)
	if err == nil && (r.Scheme == "http" && port == "80" || r.Scheme == "https" && port == "443") {
		return r.Scheme + "://" + host + r.Path
	}
	return r.Scheme + "://" + r.Address + r.Path
}

// Find finds the route to kind (an Ingress or a Service, in any of kubectl's
// words for it) and name. port, for a Service, is the number or name of one of its
// ports; empty is the first.
func Find(ctx context.Context, client kubernetes.Interface, namespace, kind, name, port string) (Route, error) {
	switch strings.ToLower(kind) {
	case "ing", "ingress", "ingresses":
		ing, err := client.NetworkingV1().Ingresses(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return Route{}, notFound(err, "ingress", namespace, name)
		}
		return toIngress(ing)
	case "svc", "service", "services":
		svc, err := client.CoreV1().Services(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return Route{}, notFound(err, "service", namespace, name)
		}
		nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return Route{}, fmt.Errorf("listing the nodes: %w", err)
		}
		return toService(svc, nodes.Items, port)
	}
	return Route{}, fmt.Errorf("%w: %q is neither ing nor svc", ErrNoWay, kind)
}

func notFound(err error, kind, namespace, name string) error {
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("%w: there is no %s %q in namespace %q (-n names another)", ErrNoWay, kind, name, namespace)
	}
	return fmt.Errorf("looking for %s %s: %w", kind, name, err)
}

// toIngress is the way to an Ingress's first host and path.
func toIngress(ing *networkingv1.Ingress) (Route, error) {
	r := Route{Scheme: "http", Path: "/"}
	port := "80"
	if len(ing.Spec.Rules) > 0 {
		rule := ing.Spec.Rules[0]
		r.Host = strings.Replace(rule.Host, "*.", "www.", 1)
		if rule.HTTP != nil && len(rule.HTTP.Paths) > 0 {
			r.Path = literal(rule.HTTP.Paths[0].Path)
		}
		if hasTLS(ing, rule.Host) {
			r.Scheme, port = "https", "443"
		}
	}
	for _, at := range ing.Status.LoadBalancer.Ingress {
		if at.IP != "" {
			r.Address = net.JoinHostPort(at.IP, port)
			return r, nil
		}
	}
	return r, fmt.Errorf("%w: ingress %q has no address yet; its class must be one that a controller serves (kubectl describe ingress %s -n %s)",
		ErrNoWay, ing.Name, ing.Name, ing.Namespace)
}

func hasTLS(ing *networkingv1.Ingress, host string) bool {
	return slices.ContainsFunc(ing.Spec.TLS, func(t networkingv1.IngressTLS) bool {
		return host != "" && (len(t.Hosts) == 0 || slices.Contains(t.Hosts, host))
	})
}

// literal is the beginning of a path, as far as it is no expression.
func literal(path string) string {
	if at := strings.IndexAny(path, `^$*+?|()[]{}\`); at >= 0 {
		path = path[:at]
	}
	if !strings.HasPrefix(path, "/") {
		return "/"
	}
	return path
}

// toService is the way to a Service: by its node port, or else by its own address.
func toService(svc *corev1.Service, nodes []corev1.Node, port string) (Route, error) {
	at := slices.IndexFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool {
		return port == "" || port == p.Name || port == strconv.Itoa(int(p.Port))
	})
	if at < 0 {
		return Route{}, fmt.Errorf("%w: service %q has no port %q", ErrNoWay, svc.Name, port)
	}
	p := svc.Spec.Ports[at]
	r := Route{Scheme: "http", Path: "/"}
	if p.Port == 443 || strings.HasPrefix(p.Name, "https") {
		r.Scheme = "https"
	}
	if p.Protocol != "" && p.Protocol != corev1.ProtocolTCP {
		return Route{}, fmt.Errorf("%w: port %d of service %q is %s, which no browser speaks", ErrNoWay, p.Port, svc.Name, p.Protocol)
	}
	if p.NodePort != 0 {
		node := anyNode(nodes)
		if node == "" {
			return Route{}, fmt.Errorf("%w: no node is ready", ErrNoWay)
		}
		r.Address = net.JoinHostPort(node, strconv.Itoa(int(p.NodePort)))
		return r, nil
	}
	if ip := svc.Spec.ClusterIP; ip != "" && ip != corev1.ClusterIPNone {
		r.Address, r.Inside = net.JoinHostPort(ip, strconv.Itoa(int(p.Port))), true
		return r, nil
	}
	return Route{}, fmt.Errorf("%w: service %q has neither a node port nor an address of its own", ErrNoWay, svc.Name)
}

// anyNode is the address of a node that is ready, of a worker if there is one.
func anyNode(nodes []corev1.Node) string {
	best := ""
	for _, n := range nodes {
		ready := slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
		})
		_, control := n.Labels["node-role.kubernetes.io/control-plane"]
		for _, a := range n.Status.Addresses {
			if ready && a.Type == corev1.NodeInternalIP && (best == "" || !control) {
				best = a.Address
				if !control {
					return best
				}
			}
		}
	}
	return best
}
