package check

import (
	"context"
	"fmt"
	"net"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/field"
)

// The cluster's DNS, as every Kubernetes names it.
const (
	dnsNamespace = "kube-system"
	dnsService   = "kube-dns"
	dnsDomain    = "cluster.local"
	dnsTimeout   = 3 * time.Second
)

// DNS asks the cluster's DNS for a name, over TCP. From a machine (the
// default is the first that is a worker) the name is looked for as in a pod
// of the lab's namespace; from pod or pod/NAME, as that pod's own
// resolv.conf says. The expression sees `addresses` (A, AAAA: the addresses,
// sorted; SRV: HOST:PORT), `rcode` (NOERROR, NXDOMAIN, SERVFAIL, …; empty
// where no answer came) and `error`. A name that the search list doesn't end
// is asked of the world outside, too, which mostly is SERVFAIL here: to see
// NXDOMAIN, ask for the full name with its last dot.
type DNS struct {
	Name *field.Name
	// Type is A (the default), AAAA or SRV.
	Type string
	// From is who asks: a machine, pod or pod/NAME.
	From *field.Name
	At   problem.Pos `yaml:"-"`
}

// Variables is the answer.
func (*DNS) Variables() []string { return []string{"addresses", "rcode", "error"} }

// Validate wants a name, and a type that can be asked for.
func (d *DNS) Validate(v *field.Validator) {
	v.Need(d.At, "dns", "name", d.Name != nil)
	switch d.Type {
	case "":
		d.Type = "A"
	case "A", "AAAA", "SRV":
	default:
		v.Fail(d.At, "type: want A, AAAA or SRV, found %q", d.Type)
	}
	if d.From.Source() == "host" {
		v.Fail(d.At, "from: the host doesn't use the cluster's DNS; want pod, pod/NAME or a machine")
	}
}

// Look asks for the name.
func (d *DNS) Look(ctx context.Context, c *Cluster, s *Scope, base expr.Scope) (expr.Scope, error) {
	name, err := d.Name.Render(ctx, base)
	if err != nil {
		return nil, err
	}
	from, err := d.From.Fill(ctx, base, "")
	if err != nil {
		return nil, err
	}
	var r *resolver
	if pod, ok := podOf(from); ok {
		r, err = c.podResolver(ctx, s, pod)
	} else {
		r, err = c.nodeResolver(ctx, s, from)
	}
	if err != nil {
		return nil, err
	}
	addresses, rcode, err := r.resolve(ctx, name, dns.StringToType[d.Type])
	failure := ""
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		failure = why(err)
	}
	return base.With("addresses", addresses).With("rcode", rcode).With("error", failure), nil
}

// resolver is where names are asked for, and from where.
type resolver struct {
	config *dns.ClientConfig
	dial   dial
}

// nodeResolver asks from a machine, with the search list of the lab's pods.
func (c *Cluster) nodeResolver(ctx context.Context, s *Scope, node string) (*resolver, error) {
	if node == "" {
		nodes, err := c.List(ctx, "Node", "v1", "", "")
		if err != nil {
			return nil, err
		}
		for i := range nodes {
			if expr.Ready(nodes[i].Object) && (node == "" || worker(&nodes[i])) {
				node = nodes[i].GetName()
			}
		}
		if node == "" {
			return nil, missing(lang.Text{EN: "no node is ready", KO: "준비된 노드가 없습니다"})
		}
	}
	service, err := c.Get(ctx, "Service", "v1", dnsNamespace, dnsService)
	if err != nil {
		return nil, err
	}
	if service == nil {
		return nil, missing(lang.Textf(
			"the cluster has no DNS: there is no service %[1]s in %[2]s",
			"클러스터에 DNS가 없습니다. %[2]s에 %[1]s 서비스가 없습니다", dnsService, dnsNamespace))
	}
	server, _, _ := unstructured.NestedString(service.Object, "spec", "clusterIP") // none: asking says so
	dial, err := c.dialer(node)
	if err != nil {
		return nil, err
	}
	return &resolver{dial: dial, config: &dns.ClientConfig{
		Servers: []string{server}, Port: "53", Ndots: 5,
		Search: []string{s.Namespace + ".svc." + dnsDomain, "svc." + dnsDomain, dnsDomain},
	}}, nil
}

// podResolver asks as a pod would: with its resolv.conf, from its machine.
func (c *Cluster) podResolver(ctx context.Context, s *Scope, name string) (*resolver, error) {
	if name == "" {
		var err error
		if name, err = c.podWithTool(ctx, s, ""); err != nil {
			return nil, err
		}
	}
	pod, err := c.pod(ctx, s, name)
	if err != nil {
		return nil, err
	}
	node, err := nodeOf(pod)
	if err != nil {
		return nil, missing(lang.Textf("%v", "%v", err))
	}
	out, err := c.Reach.Exec(ctx, s.Namespace, name, "", []string{"cat", "/etc/resolv.conf"})
	if err != nil {
		return nil, missing(lang.Textf("%v", "%v", err))
	}
	config, err := dns.ClientConfigFromReader(strings.NewReader(out.Stdout))
	if err != nil || len(config.Servers) == 0 {
		return nil, missing(lang.Textf("the pod %s has no nameserver in its /etc/resolv.conf",
			"파드 %s의 /etc/resolv.conf에 네임서버가 없습니다", name))
	}
	dial, err := c.dialer(node)
	return &resolver{config: config, dial: dial}, err
}

// resolve tries the names that the search list makes of one, as a stub
// resolver does: the first that has an answer counts.
func (r *resolver) resolve(ctx context.Context, name string, qtype uint16) (addresses []string, rcode string, err error) {
	rcode = dns.RcodeToString[dns.RcodeNameError]
	for _, candidate := range r.config.NameList(name) {
		answer, err := r.query(ctx, candidate, qtype)
		if err != nil {
			return []string{}, "", err
		}
		if found := records(answer, qtype); len(found) > 0 {
			return found, dns.RcodeToString[answer.Rcode], nil
		}
		if answer.Rcode != dns.RcodeNameError {
			rcode = dns.RcodeToString[answer.Rcode] // there is such a name, or the server has failed
		}
	}
	return []string{}, rcode, nil
}

// query asks one question over TCP, which machines can forward.
func (r *resolver) query(ctx context.Context, name string, qtype uint16) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	server := net.JoinHostPort(r.config.Servers[0], r.config.Port)
	conn, err := r.dial(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	// A deadline is not something every forwarded connection has.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	over := &dns.Conn{Conn: conn}
	defer func() { _ = over.Close() }() // the answer is there, or the error is
	question := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	if err := over.WriteMsg(question); err != nil {
		return nil, fmt.Errorf("asking %s for %s: %w", server, name, err)
	}
	answer, err := over.ReadMsg()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("asking %s for %s: %w", server, name, err)
	}
	return answer, nil
}

// records are the answers of the type that was asked for, sorted.
func records(m *dns.Msg, qtype uint16) []string {
	var out []string
	for _, rr := range m.Answer {
		switch t := rr.(type) {
		case *dns.A:
			if qtype == dns.TypeA {
				out = append(out, t.A.String())
			}
		case *dns.AAAA:
			if qtype == dns.TypeAAAA {
				out = append(out, t.AAAA.String())
			}
		case *dns.SRV:
			out = append(out, strings.TrimSuffix(t.Target, ".")+":"+strconv.Itoa(int(t.Port)))
		}
	}
	sort.Strings(out)
	return out
}
