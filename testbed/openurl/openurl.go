// Package openurl finds the way from this host's browser to an Ingress or a Service of
// a testbed: a URL that works as it is, or a forwarder on the loopback where there is none.
package openurl

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"

	v1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"noriter.dev/noriter/cluster/conditions"
	"noriter.dev/noriter/internal/lang"
)

// ErrNoWay says that there is no way to what was asked for, as it is now.
var ErrNoWay = lang.Errorf("it can't be opened", "열 수 없습니다")

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
			return Route{}, notFound(err, lang.Text{EN: "ingress", KO: "인그레스"}, namespace, name)
		}
		return toIngress(ing)
	case "svc", "service", "services":
		svc, err := client.CoreV1().Services(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return Route{}, notFound(err, lang.Text{EN: "service", KO: "서비스"}, namespace, name)
		}
		nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return Route{}, lang.Errorf("listing the nodes: %w", "노드 목록 조회: %w", err)
		}
		return toService(svc, nodes.Items, port)
	}
	return Route{}, lang.Errorf("%w: %q is neither ing nor svc", "%w: %q은(는) ing도 svc도 아닙니다", ErrNoWay, kind)
}

func notFound(err error, kind lang.Text, namespace, name string) error {
	if apierrors.IsNotFound(err) {
		return lang.Errorf("%w: there is no %s %q in namespace %q (-n names another)",
			"%w: 네임스페이스 %[4]q에 %[2]s %[3]q이(가) 없습니다 (다른 네임스페이스는 -n으로 지정합니다)", ErrNoWay, kind, name, namespace)
	}
	return lang.Errorf("looking for %s %s: %w", "%s %s 찾기: %w", kind, name, err)
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
	return r, lang.Errorf("%w: ingress %q has no address yet; its class must be one that a controller serves (kubectl describe ingress %s -n %s)",
		"%w: 인그레스 %q에 아직 주소가 없습니다. 컨트롤러가 처리하는 클래스를 써야 합니다 (kubectl describe ingress %s -n %s)",
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
func toService(svc *v1.Service, nodes []v1.Node, port string) (Route, error) {
	at := slices.IndexFunc(svc.Spec.Ports, func(p v1.ServicePort) bool {
		return port == "" || port == p.Name || port == strconv.Itoa(int(p.Port))
	})
	if at < 0 {
		return Route{}, lang.Errorf("%w: service %q has no port %q", "%w: 서비스 %q에 포트 %q이(가) 없습니다", ErrNoWay, svc.Name, port)
	}
	p := svc.Spec.Ports[at]
	r := Route{Scheme: "http", Path: "/"}
	if p.Port == 443 || strings.HasPrefix(p.Name, "https") {
		r.Scheme = "https"
	}
	if p.Protocol != "" && p.Protocol != v1.ProtocolTCP {
		return Route{}, lang.Errorf("%w: port %d of service %q is %s, which no browser speaks",
			"%w: 서비스 %[3]q의 포트 %[2]d은(는) %[4]s여서 브라우저가 쓸 수 없습니다", ErrNoWay, p.Port, svc.Name, p.Protocol)
	}
	if p.NodePort != 0 {
		node := anyNode(nodes)
		if node == "" {
			return Route{}, lang.Errorf("%w: no node is ready", "%w: 준비된 노드가 없습니다", ErrNoWay)
		}
		r.Address = net.JoinHostPort(node, strconv.Itoa(int(p.NodePort)))
		return r, nil
	}
	if ip := svc.Spec.ClusterIP; ip != "" && ip != v1.ClusterIPNone {
		r.Address, r.Inside = net.JoinHostPort(ip, strconv.Itoa(int(p.Port))), true
		return r, nil
	}
	return Route{}, lang.Errorf("%w: service %q has neither a node port nor an address of its own", "%w: 서비스 %q에는 노드 포트도 자체 주소도 없습니다", ErrNoWay, svc.Name)
}

// anyNode is the address of a node that is ready, of a worker if there is one.
func anyNode(nodes []v1.Node) string {
	best := ""
	for _, n := range nodes {
		ready, _ := conditions.NodeReady(&n)
		_, control := n.Labels["node-role.kubernetes.io/control-plane"]
		for _, a := range n.Status.Addresses {
			if ready && a.Type == v1.NodeInternalIP && (best == "" || !control) {
				best = a.Address
				if !control {
					return best
				}
			}
		}
	}
	return best
}
