package check

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/format"
)

// Limits of asking for pages.
const (
	defaultTimeout = 3 * time.Second
	atOnce         = 4
)

// Answer is what asking for one page came to. Status is 0 and Error set
// where no answer came.
type Answer struct {
	Target, Body, Error string
	Status              int
	Headers             map[string]string
}

// fields are the answer as expressions see it.
func (a Answer) fields() map[string]any {
	headers := a.Headers
	if headers == nil {
		headers = map[string]string{}
	}
	return map[string]any{"target": a.Target, "status": a.Status, "code": a.Status, "body": a.Body,
		"headers": headers, "error": a.Error}
}

// target is one place to ask: an address, or a pod or service behind the API
// server's proxy.
type target struct {
	name string
	// url is where to ask; empty where it goes through the API server.
	url                string
	resource, resident string
}

// asker asks one target.
type asker func(ctx context.Context, t target) Answer

// lookHTTP finds out whom to ask, asks, and gives the answer or answers.
func (c *Cluster) lookHTTP(ctx context.Context, s *Scope, h *format.HTTP, base expr.Scope) (expr.Scope, error) {
	from, err := h.From.Fill(ctx, base, "")
	if err != nil {
		return nil, err
	}
	w, err := c.wish(ctx, s, h, base)
	if err != nil {
		return nil, err
	}
	targets, err := c.targets(ctx, s, h, w, base, from != "")
	if err != nil {
		return nil, err
	}
	ask, err := c.asker(ctx, s, w, from)
	if err != nil {
		return nil, err
	}
	answers := askAll(ctx, ask, targets, max(h.Times, 1))
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !h.Several() {
		out := base
		for k, v := range answers[0].fields() {
			out = out.With(k, v)
		}
		return out, nil
	}
	list := make([]map[string]any, len(answers))
	for i, a := range answers {
		list[i] = a.fields()
	}
	return base.With("answers", list).With("pages", list), nil
}

// askAll asks every target so many times, a few at once; the answers come in
// the order of the asking.
func askAll(ctx context.Context, ask asker, targets []target, times int) []Answer {
	answers := make([]Answer, len(targets)*times)
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i := range answers {
		group.Go(func() error {
			answers[i] = ask(ctx, targets[i%len(targets)])
			return nil
		})
	}
	_ = group.Wait() // an asker tells of errors in its answer
	return answers
}

// asker is the way pages are asked for.
func (c *Cluster) asker(ctx context.Context, s *Scope, w *wish, from string) (asker, error) {
	switch {
	case from == "pod" || strings.HasPrefix(from, "pod/"):
		return c.fromPod(ctx, s, w, strings.TrimPrefix(strings.TrimPrefix(from, "pod"), "/"))
	case from != "":
		dial, err := c.dialer(from)
		if err != nil {
			return nil, err
		}
		return w.overNetwork(dial), nil
	}
	network := w.overNetwork((&net.Dialer{}).DialContext)
	return func(ctx context.Context, t target) Answer {
		if t.url != "" {
			return network(ctx, t)
		}
		return c.throughAPI(ctx, s, w, t)
	}, nil
}

// throughAPI asks a pod or service as `kubectl proxy` does.
func (c *Cluster) throughAPI(ctx context.Context, s *Scope, w *wish, t target) Answer {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	page, err := c.Reach.Get(ctx, s.Namespace, t.resource, t.resident, w.port, w.path)
	if err != nil {
		return Answer{Target: t.name, Error: why(err)}
	}
	return Answer{Target: t.name, Status: page.Code, Body: page.Body}
}

// targets are whom a check asks. direct means at their own addresses, not
// through the API server.
func (c *Cluster) targets(ctx context.Context, s *Scope, h *format.HTTP, w *wish, base expr.Scope, direct bool) ([]target, error) {
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
	pod, err := c.runningPod(ctx, s.Namespace, name)
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
func (c *Cluster) podTargets(ctx context.Context, s *Scope, h *format.HTTP, w *wish, base expr.Scope, direct bool) ([]target, error) {
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
		return nil, missing("%s", lang.T(
			fmt.Sprintf("no pod with the label %s is ready", selector),
			fmt.Sprintf("레이블 %s을(를) 가진 파드 중 준비된 것이 없습니다", selector)))
	}
	return out, nil
}

func (c *Cluster) serviceTarget(ctx context.Context, s *Scope, h *format.HTTP, w *wish, base expr.Scope, direct bool) ([]target, error) {
	name, err := h.Service.Render(ctx, base)
	if err != nil {
		return nil, err
	}
	service, err := c.service(ctx, s, name)
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

// service reads a Service of the lab's namespace.
func (c *Cluster) service(ctx context.Context, s *Scope, name string) (*unstructured.Unstructured, error) {
	service, err := c.Get(ctx, "Service", "v1", s.Namespace, name)
	if err == nil && service == nil {
		err = missing("%s", lang.T(
			fmt.Sprintf("there is no service named %s in namespace %s", name, s.Namespace),
			fmt.Sprintf("네임스페이스 %s에 이름이 %s인 서비스가 없습니다", s.Namespace, name)))
	}
	return service, err
}

// nodePort asks a Service for its node port.
func (c *Cluster) nodePort(ctx context.Context, s *Scope, n *format.NodePort, base expr.Scope) (int, error) {
	name, err := n.Service.Render(ctx, base)
	if err != nil {
		return 0, err
	}
	wanted, err := n.Port.Fill(ctx, base, "")
	if err != nil {
		return 0, err
	}
	service, err := c.service(ctx, s, name)
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
		return 0, missing("%s", lang.T(
			fmt.Sprintf("the service %s has no node port: its type is %s", name, kind),
			fmt.Sprintf("서비스 %s에는 노드 포트가 없습니다. 타입이 %s입니다", name, kind)))
	}
	return 0, missing("%s", lang.T(
		fmt.Sprintf("the service %s has no port %s", name, wanted),
		fmt.Sprintf("서비스 %s에 포트 %s이(가) 없습니다", name, wanted)))
}

// nodeTargets are the nodes that are meant, with the port that is asked.
func (c *Cluster) nodeTargets(ctx context.Context, h *format.HTTP, w *wish, base expr.Scope) ([]target, error) {
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
		return nil, missing("%s", lang.T("no node is ready", "준비된 노드가 없습니다"))
	case len(out) == 0:
		return nil, missing("%s", lang.T("there is no node "+name, "노드 "+name+"이(가) 없습니다"))
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
