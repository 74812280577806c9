package check

import (
	"context"
	"net"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/field"
)

// HTTP asks for a page. What is asked is one of
//
//	url: http://…            as it stands
//	node: NAME|any|all       the port of a machine; `any` is a node that is
//	                         ready (a worker if there is one), `all` is every
//	                         node that is ready, one after another
//	nodePort: {service: …}   the node port of a Service, on `node` (default any)
//	pod, service             through the API server, as `kubectl proxy` does;
//	                         with `from`, at its own address
//	selector                 every pod that is ready, likewise
//
// and who asks is `from`: host (the default), pod (a pod of the lab's
// namespace that has curl or wget), pod/NAME, or the name of a machine.
//
// The expression sees `status` (0 where no answer came; `code` is the same),
// `body`, `headers` (by small-letter name), `target` and `error`: empty, or
// refused, timeout, reset, unreachable, unknown host, unknown authority,
// wrong name, no name (its certificate has no subjectAltName), no tls, or else
// the error's own text. Where several answers come (selector, node: all, times)
// it sees `answers`, a list of maps with these keys, instead; with selector,
// `pages` is another name of it.
type HTTP struct {
	URL      *field.Name
	Node     *field.Name
	NodePort *NodePort
	Pod      *field.Name
	Service  *field.Name
	Selector *field.Name
	// Port is a number or an expression for it; url and nodePort have theirs.
	Port *field.Number
	// Path is the page; / without it.
	Path *field.Name
	// Scheme is http (the default) or https.
	Scheme string
	// Host is the Host header, and for https the name that is asked for.
	Host *field.Name
	// CA is where the certificate of the authority is.
	CA *SecretKey
	// Insecure takes any certificate.
	Insecure bool
	// Headers are sent along, by their names.
	Headers map[string]*field.Name
	From    *field.Name
	// Times asks so often; 0 means once.
	Times int
	// Timeout is the limit of one request; 0 means 3 s.
	Timeout time.Duration
	At      problem.Pos `yaml:"-"`
}

// NodePort names a Service, and its port where it has several.
type NodePort struct {
	Service *field.Name
	// Port is the port's name or number.
	Port *field.Name
	At   problem.Pos `yaml:"-"`
}

// SecretKey is one key of a Secret in the lab's namespace.
type SecretKey struct {
	Secret *field.Name
	// Key is ca.crt unless named.
	Key string
	At  problem.Pos `yaml:"-"`
}

// Several tells whether the check collects a list of answers.
func (h *HTTP) Several() bool {
	return h.Selector != nil || h.Times > 0 || h.Node != nil && h.Node.Source() == "all"
}

// Variables is the answer, or the answers.
func (h *HTTP) Variables() []string {
	if h.Several() {
		return []string{"answers", "pages"}
	}
	return []string{"status", "code", "body", "headers", "target", "error"}
}

// Watches is what is behind a Service; pages change without it, too.
func (h *HTTP) Watches() (objects []Watched, live bool) {
	if h.NodePort == nil && h.Service == nil {
		return nil, false
	}
	return []Watched{{Kind: "Service", APIVersion: "v1"}, {Kind: "EndpointSlice", APIVersion: "discovery.k8s.io/v1"}}, false
}

// Validate wants one target, its port, and a way to ask that takes all that is
// given.
func (h *HTTP) Validate(v *field.Validator) {
	targets := 0
	for _, set := range []bool{h.URL != nil, h.Node != nil && h.NodePort == nil, h.NodePort != nil, h.Pod != nil, h.Service != nil, h.Selector != nil} {
		if set {
			targets++
		}
	}
	if targets != 1 {
		v.Fail(h.At, "http: want exactly one of url, node, nodePort, pod, service, selector; found %d", targets)
	}
	switch {
	case h.Port == nil && h.URL == nil && h.NodePort == nil:
		v.Fail(h.At, "http: port is missing: a number from 1 to 65535, or an expression")
	case h.Port != nil && (h.URL != nil || h.NodePort != nil):
		v.Fail(h.Port.At, "http: url and nodePort have a port of their own")
	}
	v.Number(h.Port, "port", 1, 65535)
	if h.NodePort != nil {
		v.Need(h.NodePort.At, "nodePort", "service", h.NodePort.Service != nil)
	}
	h.validateWay(v)
}

// validateWay validates how the page is asked for.
func (h *HTTP) validateWay(v *field.Validator) {
	if h.Scheme != "" && h.Scheme != "http" && h.Scheme != "https" {
		v.Fail(h.At, "scheme: want http or https, found %q", h.Scheme)
	}
	from := h.From.Source()
	if from == "host" {
		h.From, from = nil, ""
	}
	_, inPod := podOf(from)
	https := h.Scheme == "https" || h.URL != nil && strings.HasPrefix(h.URL.Source(), "https:")
	proxied := from == "" && (h.Pod != nil || h.Service != nil || h.Selector != nil)
	switch {
	case (h.CA != nil || h.Insecure) && !https:
		v.Fail(h.At, "http: ca and insecure are for https")
	case h.CA != nil && h.Insecure:
		v.Fail(h.At, "http: insecure takes any certificate, so ca is of no use")
	case h.CA != nil && inPod:
		v.Fail(h.CA.At, "ca: a pod has no file with it; ask from the host or a machine, or take insecure")
	case proxied && (https || h.Host != nil || len(h.Headers) > 0):
		v.Fail(h.At, "http: this asks through the API server, which takes neither scheme nor host nor headers; say from whom to ask (from: pod, or a machine)")
	case h.Times < 0 || h.Times > 200:
		v.Fail(h.At, "times: want 1 to 200, found %d", h.Times)
	}
	if h.CA != nil {
		v.Need(h.CA.At, "ca", "secret", h.CA.Secret != nil)
		if h.CA.Key == "" {
			h.CA.Key = "ca.crt"
		}
	}
}

// podOf takes a `from` apart: pod/NAME is a pod, pod any pod (the name is empty
// then).
func podOf(from string) (name string, ok bool) {
	if from == "pod" {
		return "", true
	}
	return strings.CutPrefix(from, "pod/")
}

// asker asks one target.
type asker func(ctx context.Context, t target) Answer

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

// Look finds out whom to ask, asks, and gives the answer or answers.
func (h *HTTP) Look(ctx context.Context, c *Cluster, s *Scope, base expr.Scope) (expr.Scope, error) {
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
	if pod, ok := podOf(from); ok {
		return c.fromPod(ctx, s, w, pod)
	}
	if from != "" {
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
