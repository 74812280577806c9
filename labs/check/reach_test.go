package check_test

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/labtest"
)

// nodes are machines that note what is done to them, and connect from here.
type nodes struct {
	mu   sync.Mutex
	did  []string
	dns  string
	fail error
	// back is told of a machine that is switched on.
	back func(node string)
}

func (*nodes) Names() []string { return []string{"control", "node1"} }

func (n *nodes) note(format string, args ...any) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.did = append(n.did, fmt.Sprintf(format, args...))
	return n.fail
}

func (n *nodes) Run(_ context.Context, node, command string) (string, string, int, error) {
	return command + " on " + node, "", 0, n.note("%s: %s", node, command)
}

func (n *nodes) Dial(ctx context.Context, node, network, address string) (net.Conn, error) {
	if err := n.note("%s: dial %s", node, address); err != nil {
		return nil, err
	}
	if strings.HasSuffix(address, ":53") {
		address = n.dns
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

func (n *nodes) Off(_ context.Context, node string) error { return n.note("%s: off", node) }

func (n *nodes) On(_ context.Context, node string) error {
	if n.back != nil {
		n.back(node)
	}
	return n.note("%s: on", node)
}

// service makes a Service whose node port is where a server listens.
func service(name string, ports ...map[string]any) *unstructured.Unstructured {
	list := make([]any, len(ports))
	for i, p := range ports {
		list[i] = p
	}
	kind := "ClusterIP"
	if len(ports) > 0 && ports[0]["nodePort"] != nil {
		kind = "NodePort"
	}
	return labtest.Object("v1", "Service", ns, name, map[string]any{"spec": map[string]any{"ports": list, "type": kind, "clusterIP": "127.0.0.1"}})
}

func portOf(t *testing.T, url string) int64 {
	t.Helper()
	_, port, _ := strings.Cut(url[len("https://")-1:], ":")
	n, err := strconv.ParseInt(port, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestHTTPByEveryWay(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, "/", http.StatusFound)
		default:
			w.Header().Set("X-Color", "red")
			fmt.Fprintf(w, "%s %s %s", r.Host, r.URL.Path, r.Header.Get("X-Word"))
		}
	})
	plain, secure := httptest.NewServer(page), httptest.NewTLSServer(page)
	defer plain.Close()
	defer secure.Close()
	port, tls := portOf(t, "https"+strings.TrimPrefix(plain.URL, "http")), portOf(t, secure.URL)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := int64(closed.Addr().(*net.TCPAddr).Port)
	_ = closed.Close()
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	secret := labtest.Object("v1", "Secret", ns, "tls", map[string]any{"data": map[string]any{
		"tls.crt": base64.StdEncoding.EncodeToString(cert), "junk": "aGk="}})
	p := labtest.With(pod("p", "app=x"), "status.podIP", "127.0.0.1")
	w := labtest.NewWorld(t.TempDir(), p, secret,
		service("web", map[string]any{"name": "http", "port": int64(80), "nodePort": port}, map[string]any{"name": "tls", "port": int64(443), "nodePort": tls}),
		service("closed", map[string]any{"port": int64(80), "nodePort": refused}),
		service("inner", map[string]any{"port": int64(80)}))
	machines := &nodes{}
	w.Nodes = machines
	for _, c := range []struct {
		http, expr string
		want       check.State
		says       string
	}{
		{"{nodePort: {service: web}, path: /a}", `status == 200 && body.contains("/a") && headers["x-color"] == "red" && error == "" && target == "node1"`, check.Holds, ""},
		{"{nodePort: {service: web, port: http}, node: all}", `size(answers) == 1 && answers.all(a, a.status == 200)`, check.Holds, ""},
		{"{nodePort: {service: web, port: 80}, node: node1, host: shop.test, headers: {X-Word: '{{vars.color}}'}}", `body == "shop.test / red"`, check.Holds, ""},
		{"{nodePort: {service: web}, times: 7}", `size(answers) == 7 && answers.all(a, a.body.contains("/"))`, check.Holds, ""},
		{"{node: node1, port: int(vars.port)}", "code == 200", check.Holds, ""},
		{"{nodePort: {service: web}, path: '/a/{{fresh}}'}", `fresh.matches("^[0-9]{6}$") && body.contains("/a/" + fresh)`, check.Holds, ""},
		{"{node: node1, port: '{{vars.port}}', path: /away}", "status == 302", check.Holds, ""},
		{"{node: nowhere, port: 80}", "status == 200", check.Fails, "no node nowhere"},
		{"{nodePort: {service: gone}}", "status == 200", check.Fails, "no service named gone"},
		{"{nodePort: {service: inner}}", "status == 200", check.Fails, "no node port: its type is ClusterIP"},
		{"{nodePort: {service: web, port: 81}}", "status == 200", check.Fails, "no port 81"},
		{"{nodePort: {service: closed}}", `status == 0 && error == "refused"`, check.Holds, ""},
		{"{nodePort: {service: closed}}", `status == 200`, check.Fails, "status = 0 (refused)"},
		{"{nodePort: {service: web}, scheme: https, insecure: true}", `error == "no tls"`, check.Holds, ""},
		{"{nodePort: {service: web, port: tls}, scheme: https}", `error == "unknown authority"`, check.Holds, ""},
		{"{nodePort: {service: web, port: tls}, scheme: https, insecure: true}", "status == 200", check.Holds, ""},
		{"{nodePort: {service: web, port: tls}, scheme: https, host: example.com, ca: {secret: tls, key: tls.crt}}", `status == 200 && body.contains("example.com")`, check.Holds, ""},
		{"{nodePort: {service: web, port: tls}, scheme: https, host: other.test, ca: {secret: tls, key: tls.crt}}", `error == "wrong name"`, check.Holds, ""},
		{"{nodePort: {service: web, port: tls}, scheme: https, ca: {secret: tls, key: junk}}", "status == 200", check.Fails, "no certificate under junk"},
		{"{nodePort: {service: web, port: tls}, scheme: https, ca: {secret: none}}", "status == 200", check.Fails, "no secret named none"},
		{"{url: '" + plain.URL + "/x', from: node1}", `body.endsWith("/x ")`, check.Holds, ""},
		{"{selector: app=x, port: int(vars.port), from: node1}", `pages.all(p, p.status == 200)`, check.Holds, ""},
		{"{service: web, port: int(vars.port), from: node1}", `status == 200`, check.Holds, ""},
		{"{pod: gone, port: 80, from: node1}", `status == 200`, check.Fails, "no pod named gone"},
		{"{url: 'http://web/', from: pod/gone}", `status == 200`, check.Fails, "no pod named gone"},
		{"{url: 'http://web/', from: pod}", `status == 200`, check.Fails, "has curl or wget"},
	} {
		text := "id: a\nhttp: " + c.http + "\nexpr: '" + c.expr + "'"
		s := scope(nil)
		s.Vars["port"] = strconv.FormatInt(port, 10)
		r := w.Run(context.Background(), s, parse(t, text))
		if r.State != c.want || !strings.Contains(r.Actual, c.says) {
			t.Errorf("%s %s:\n%+v", c.http, c.expr, r)
		}
	}
	if len(machines.did) == 0 || !strings.HasPrefix(machines.did[0], "node1: dial 127.0.0.1:") {
		t.Errorf("asked from machines: %v", machines.did)
	}
}

func TestHTTPFromAPod(t *testing.T) {
	w := labtest.NewWorld(t.TempDir(), pod("p"))
	for _, c := range []struct{ out, want string }{
		{"HTTP/1.1 200 OK\r\nX-Color: red\r\n\r\nhi", `status == 200 && body == "hi" && headers["x-color"] == "red"`},
		{"HTTP/1.1 503 Service Unavailable\r\n\r\n", `status == 503 && error == ""`},
	} {
		w.Pages["exec"] = check.Page{Body: c.out}
		r := w.Run(context.Background(), scope(nil), parse(t, "id: a\nhttp: {url: 'http://web/', from: pod}\nexpr: '"+c.want+"'"))
		if r.State != check.Holds {
			t.Errorf("%q: %+v", c.out, r)
		}
	}
}

// TestWordsOfTools holds what curl and wget print against the words for it.
func TestWordsOfTools(t *testing.T) {
	for _, c := range []struct{ stdout, stderr, want string }{
		{"page", "  HTTP/1.1 200 OK\n  Content-Length: 4\n", ""},
		{"", "Connecting to web (10.96.0.5:80)\nwget: can't connect to remote host (10.96.0.5): Connection refused", "refused"},
		{"", "wget: bad address 'web'", "unknown host"},
		{"", "wget: download timed out", "timeout"},
		{"", "curl: (7) Failed to connect to web port 80 after 1 ms: Connection refused", "refused"},
		{"", "curl: (28) Connection timed out after 3001 milliseconds", "timeout"},
		{"", "curl: (6) Could not resolve host: web", "unknown host"},
		{"", "curl: (60) SSL certificate problem: unable to get local issuer certificate", "unknown authority"},
		{"", "curl: (60) SSL: no alternative certificate subject name matches target host name 'x'", "wrong name"},
		{"", "something else", "something else"},
	} {
		a := check.ParseAnswer(check.Output{Stdout: c.stdout, Stderr: c.stderr})
		if a.Error != c.want || (c.want == "") != (a.Status == 200 && a.Body == "page" && a.Headers["content-length"] == "4") {
			t.Errorf("%q: %+v", c.stderr, a)
		}
	}
	err := errors.New("ssh: rejected: connect failed (Connection refused)")
	if got := check.Why(err); got != "refused" {
		t.Errorf("%v: %s", err, got)
	}
}

// zone answers for a small cluster.
func zone(t *testing.T) string {
	t.Helper()
	mux := dns.NewServeMux()
	mux.HandleFunc(".", func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		for _, line := range []string{
			"web.lab.svc.cluster.local. 5 IN A 10.96.0.7",
			"many.lab.svc.cluster.local. 5 IN A 10.244.2.2", "many.lab.svc.cluster.local. 5 IN A 10.244.1.2",
			"_http._tcp.web.lab.svc.cluster.local. 5 IN SRV 0 100 80 web.lab.svc.cluster.local.",
		} {
			rr, err := dns.NewRR(line)
			if err != nil {
				panic(err) // a line of this test is wrong
			}
			if rr.Header().Name == q.Question[0].Name && rr.Header().Rrtype == q.Question[0].Qtype {
				m.Answer = append(m.Answer, rr)
			}
		}
		if len(m.Answer) == 0 && !strings.HasPrefix(q.Question[0].Name, "web.lab.") {
			m.Rcode = dns.RcodeNameError
		}
		_ = w.WriteMsg(m) // the test sees that no answer came
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: l, Handler: mux}
	go func() { _ = server.ActivateAndServe() }() // ends with an error when the listener is closed
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func TestDNS(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "resolv.conf"), []byte("nameserver 10.96.0.10\nsearch lab.svc.cluster.local\noptions ndots:5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	kubeDNS := labtest.Object("v1", "Service", "kube-system", "kube-dns", map[string]any{"spec": map[string]any{"clusterIP": "10.96.0.10"}})
	w := labtest.NewWorld(dir, pod("p"), kubeDNS)
	machines := &nodes{dns: zone(t)}
	w.Nodes = machines
	try := func(text, want string, state check.State) {
		t.Helper()
		r := w.Run(context.Background(), scope(nil), parse(t, "id: a\ndns: "+text+"\nexpr: '"+want+"'"))
		if r.State != state {
			t.Errorf("%s %s:\n%+v", text, want, r)
		}
	}
	try("{name: web}", `addresses == ["10.96.0.7"] && rcode == "NOERROR" && error == ""`, check.Holds)
	try("{name: many}", `addresses == ["10.244.1.2", "10.244.2.2"]`, check.Holds)
	try("{name: web.lab.svc.cluster.local., from: node1}", `size(addresses) == 1`, check.Holds)
	try("{name: web, from: pod/p}", `size(addresses) == 1`, check.Holds)
	try("{name: web, type: AAAA}", `size(addresses) == 0 && rcode == "NOERROR"`, check.Holds)
	try("{name: _http._tcp.web, type: SRV}", `addresses == ["web.lab.svc.cluster.local:80"]`, check.Holds)
	try("{name: nobody}", `size(addresses) == 0 && rcode == "NXDOMAIN"`, check.Holds)
	try("{name: web, from: pod/gone}", `true`, check.Fails)
	machines.fail = errors.New("connection refused")
	try("{name: web}", `error == "refused" && rcode == ""`, check.Holds)
	if machines.did[0] != "node1: dial 10.96.0.10:53" {
		t.Errorf("asked %v", machines.did)
	}
}
