package check

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/expr"
)

// target is one place to ask: an address, or a pod or service behind the API
// server's proxy.
type target struct {
	name string
	// url is where to ask; empty where it goes through the API server.
	url                string
	resource, resident string
}

// targets are whom a check asks. direct means at their own addresses, not
// through the API server.
func (c *Cluster) targets(ctx context.Context, s *Scope, h *HTTP, w *wish, base expr.Scope, direct bool) ([]target, error) {
	switch {
	case h.URL != nil:
		u, err := h.URL.Render(ctx, base)
		if err != nil {
			return nil, err
		}
		if _, err := url.Parse(u); err != nil {
			return nil, fmt.Errorf("asking for %s: %w", u, err)
		}
		return []target{{name: u, url: u}}, nil
	case h.NodePort != nil:
		port, err := c.nodePort(ctx, s, h.NodePort, base)
		if err != nil {
			return nil, err
		}
		w.port = port
		return c.nodeTargets(ctx, h, w, base)
	case h.Node != nil:
		return c.nodeTargets(ctx, h, w, base)
	case h.Selector != nil:
		return c.podTargets(ctx, s, h, w, base, direct)
	case h.Service != nil:
		return c.serviceTarget(ctx, s, h, w, base, direct)
	}
	name, err := h.Pod.Render(ctx, base)
	if err != nil {
		return nil, err
	}
	pod, err := c.pod(ctx, s, name)
	if err != nil {
		return nil, err
	}
	return []target{podTarget(pod, w, direct)}, nil
}

func podTarget(pod *unstructured.Unstructured, w *wish, direct bool) target {
	t := target{name: pod.GetName(), resource: "pods", resident: pod.GetName()}
	if direct {
		ip, _, _ := unstructured.NestedString(pod.Object, "status", "podIP") // without one, asking says so
		t.url = w.url(ip)
	}
	return t
}

// podTargets are all pods that are ready and carry the label.
func (c *Cluster) podTargets(ctx context.Context, s *Scope, h *HTTP, w *wish, base expr.Scope, direct bool) ([]target, error) {
	selector, err := h.Selector.Render(ctx, base)
	if err != nil {
		return nil, err
	}
	pods, err := c.List(ctx, "Pod", "v1", s.Namespace, selector)
	if err != nil {
		return nil, err
	}
	var out []target
	for i := range pods {
		if expr.Ready(pods[i].Object) {
			out = append(out, podTarget(&pods[i], w, direct))
		}
	}
	if len(out) == 0 {
		return nil, missing(lang.Textf("no pod with the label %s is ready",
			"%s 레이블이 있는 파드 중 준비된 것이 없습니다", selector))
	}
	return out, nil
}

func (c *Cluster) serviceTarget(ctx context.Context, s *Scope, h *HTTP, w *wish, base expr.Scope, direct bool) ([]target, error) {
	name, err := h.Service.Render(ctx, base)
	if err != nil {
		return nil, err
	}
	service, err := c.need(ctx, "Service", "v1", s.Namespace, name)
	if err != nil {
		return nil, err
	}
	t := target{name: name, resource: "services", resident: name}
	if direct {
		ip, _, _ := unstructured.NestedString(service.Object, "spec", "clusterIP") // without one, asking says so
		t.url = w.url(ip)
	}
	return []target{t}, nil
}

// nodePort asks a Service for its node port.
func (c *Cluster) nodePort(ctx context.Context, s *Scope, n *NodePort, base expr.Scope) (int, error) {
	name, err := n.Service.Render(ctx, base)
	if err != nil {
		return 0, err
	}
	wanted, err := n.Port.Fill(ctx, base, "")
	if err != nil {
		return 0, err
	}
	service, err := c.need(ctx, "Service", "v1", s.Namespace, name)
	if err != nil {
		return 0, err
	}
	ports, _, _ := unstructured.NestedSlice(service.Object, "spec", "ports") // none: said below
	for _, p := range ports {
		m, ok := p.(map[string]any)
		number, _ := m["port"].(int64)
		if !ok || wanted != "" && wanted != m["name"] && wanted != strconv.FormatInt(number, 10) {
			continue
		}
		if nodePort, _ := m["nodePort"].(int64); nodePort > 0 {
			return int(nodePort), nil
		}
		kind, _, _ := unstructured.NestedString(service.Object, "spec", "type")
		return 0, missing(lang.Textf("the service %s has no node port: its type is %s",
			"서비스 %s에는 노드 포트가 없습니다. 타입이 %s입니다", name, kind))
	}
	return 0, missing(lang.Textf("the service %s has no port %s", "서비스 %s에 포트 %s이(가) 없습니다", name, wanted))
}

// nodeTargets are the nodes that are meant, with the port that is asked.
func (c *Cluster) nodeTargets(ctx context.Context, h *HTTP, w *wish, base expr.Scope) ([]target, error) {
	name, err := h.Node.Fill(ctx, base, "any")
	if err != nil {
		return nil, err
	}
	nodes, err := c.List(ctx, "Node", "v1", "", "")
	if err != nil {
		return nil, err
	}
	var out, spare []target
	for i := range nodes {
		node := &nodes[i]
		t := target{name: node.GetName(), url: w.url(internalIP(node))}
		switch ready := expr.Ready(node.Object); {
		case name == "any" && ready && !worker(node):
			spare = append(spare, t) // if there is nothing better
		case name == t.name, ready && (name == "all" || name == "any"):
			out = append(out, t)
		}
	}
	out = append(out, spare...)
	switch {
	case len(out) == 0 && (name == "all" || name == "any"):
		return nil, missing(lang.Text{EN: "no node is ready", KO: "준비된 노드가 없습니다"})
	case len(out) == 0:
		return nil, missing(lang.Textf("there is no node %s", "노드 %s이(가) 없습니다", name))
	case name != "all":
		return out[:1], nil
	}
	return out, nil
}

// worker tells whether a node takes ordinary pods.
func worker(node *unstructured.Unstructured) bool {
	_, control := node.GetLabels()["node-role.kubernetes.io/control-plane"]
	return !control
}

func internalIP(node *unstructured.Unstructured) string {
	addresses, _, _ := unstructured.NestedSlice(node.Object, "status", "addresses") // none: asking says so
	for _, a := range addresses {
		if m, ok := a.(map[string]any); ok && m["type"] == "InternalIP" {
			host, _ := m["address"].(string)
			return host
		}
	}
	return ""
}
