package openurl

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
)

func node(name, ip string, control bool, ready v1.ConditionStatus) *v1.Node {
	n := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{}}}
	if control {
		n.Labels["node-role.kubernetes.io/control-plane"] = ""
	}
	n.Status.Addresses = []v1.NodeAddress{{Type: v1.NodeInternalIP, Address: ip}}
	n.Status.Conditions = []v1.NodeCondition{{Type: v1.NodeReady, Status: ready}}
	return n
}

func service(name, ip string, ports ...v1.ServicePort) *v1.Service {
	return &v1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Spec: v1.ServiceSpec{ClusterIP: ip, Ports: ports}}
}

func ingress(name, host, path, tlsHost, address string) *networkingv1.Ingress {
	ing := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
	ing.Spec.Rules = []networkingv1.IngressRule{{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{
		HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{Path: path}}}}}}
	if tlsHost != "" {
		ing.Spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{tlsHost}}}
	}
	if address != "" {
		ing.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{IP: address}}
	}
	return ing
}

func TestFind(t *testing.T) {
	objects := []runtime.Object{
		node("control", "10.0.0.10", true, v1.ConditionTrue), node("node1", "10.0.0.11", false, v1.ConditionFalse),
		node("node2", "10.0.0.12", false, v1.ConditionTrue),
		service("web", "10.96.0.5", v1.ServicePort{Name: "http", Port: 80, NodePort: 30080}, v1.ServicePort{Name: "https", Port: 443, NodePort: 30443}),
		service("inner", "10.96.0.6", v1.ServicePort{Port: 8080}), service("headless", "None", v1.ServicePort{Port: 80}),
		service("dns", "10.96.0.7", v1.ServicePort{Port: 53, Protocol: v1.ProtocolUDP}),
		ingress("shop", "shop.test", "/cart", "", "10.0.0.12"), ingress("all", "", "/", "", "10.0.0.12"),
		ingress("safe", "safe.test", "/api(/|$)(.*)", "safe.test", "10.0.0.12"), ingress("wild", "*.shop.test", "/", "other", "10.0.0.12"),
		ingress("new", "new.test", "/", "", ""),
	}
	client := fake.NewClientset(objects...)
	for _, c := range []struct {
		kind, name, port string
		want             Route
		url, err         string
	}{
		{kind: "svc", name: "web", want: Route{Address: "10.0.0.12:30080", Scheme: "http", Path: "/"}, url: "http://10.0.0.12:30080/"},
		{kind: "service", name: "web", port: "443", want: Route{Address: "10.0.0.12:30443", Scheme: "https", Path: "/"}, url: "https://10.0.0.12:30443/"},
		{kind: "svc", name: "web", port: "https", want: Route{Address: "10.0.0.12:30443", Scheme: "https", Path: "/"}, url: "https://10.0.0.12:30443/"},
		{kind: "svc", name: "web", port: "81", err: `no port "81"`},
		{kind: "svc", name: "inner", want: Route{Address: "10.96.0.6:8080", Scheme: "http", Path: "/", Inside: true}, url: "http://10.96.0.6:8080/"},
		{kind: "svc", name: "headless", err: "neither a node port nor an address"},
		{kind: "svc", name: "dns", err: "UDP"},
		{kind: "svc", name: "gone", err: `no service "gone" in namespace "default"`},
		{kind: "ing", name: "all", want: Route{Address: "10.0.0.12:80", Scheme: "http", Path: "/"}, url: "http://10.0.0.12/"},
		{kind: "Ingress", name: "shop", want: Route{Address: "10.0.0.12:80", Scheme: "http", Host: "shop.test", Path: "/cart"}, url: "http://10.0.0.12/cart"},
		{kind: "ing", name: "safe", want: Route{Address: "10.0.0.12:443", Scheme: "https", Host: "safe.test", Path: "/api"}, url: "https://10.0.0.12/api"},
		{kind: "ing", name: "wild", want: Route{Address: "10.0.0.12:80", Scheme: "http", Host: "www.shop.test", Path: "/"}, url: "http://10.0.0.12/"},
		{kind: "ing", name: "new", err: "no address yet"},
		{kind: "pod", name: "x", err: "neither ing nor svc"},
	} {
		got, err := Find(t.Context(), client, "default", c.kind, c.name, c.port)
		switch {
		case c.err != "":
			if !errors.Is(err, ErrNoWay) || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s/%s: error %v, want one with %q", c.kind, c.name, err, c.err)
			}
		case err != nil || got != c.want || got.URL() != c.url:
			t.Errorf("%s/%s: %+v (%s), %v; want %+v", c.kind, c.name, got, got.URL(), err, c.want)
		}
	}
}

// start forwards to a route and gives the local URL.
func start(t *testing.T, r Route, dial Dial) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Forward(ctx, l, r, dial, func(err error) { t.Log(err) }) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return r.Local(l)
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

func TestForwardAsksForTheHost(t *testing.T) {
	far := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/old" {
			w.Header().Set("Strict-Transport-Security", "max-age=1")
			http.Redirect(w, r, "https://shop.test/new?x=1", http.StatusFound)
			return
		}
		fmt.Fprintf(w, "%s %s %s", r.Host, r.URL, r.TLS.ServerName)
	}))
	defer far.Close()
	r := Route{Address: "10.0.0.12:443", Scheme: "https", Host: "shop.test", Path: "/cart"}
	local := start(t, r, func(ctx context.Context, network, address string) (net.Conn, error) {
		if address != r.Address {
			t.Errorf("dialled %s", address)
		}
		return (&net.Dialer{}).DialContext(ctx, network, far.Listener.Addr().String())
	})
	if _, body := get(t, local); body != "shop.test /cart shop.test" {
		t.Errorf("the far end was asked for %q", body)
	}
	answer, _ := get(t, strings.Replace(local, "/cart", "/old", 1))
	if to := answer.Header.Get("Location"); to != strings.Replace(local, "/cart", "/new?x=1", 1) {
		t.Errorf("a redirect leads to %s", to)
	}
	if answer.Header.Get("Strict-Transport-Security") != "" {
		t.Error("the browser is told to remember HTTPS for the forwarder's address")
	}
}

func TestForwardCarriesConnectionsAsTheyAre(t *testing.T) {
	far := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host) }))
	defer far.Close()
	local := start(t, Route{Address: far.Listener.Addr().String(), Scheme: "https", Path: "/"}, (&net.Dialer{}).DialContext)
	conn, err := tls.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(local, "https://"), "/"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if !conn.ConnectionState().PeerCertificates[0].Equal(far.Certificate()) {
		t.Error("it is not the far end's certificate")
	}
}

func TestForwardSaysWhenNobodyAnswers(t *testing.T) {
	local := start(t, Route{Address: "10.0.0.1:80", Scheme: "http", Host: "a.test", Path: "/"}, func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("nobody there")
	})
	if answer, body := get(t, local); answer.StatusCode != http.StatusBadGateway || !strings.Contains(body, "nobody there") {
		t.Errorf("got %s %s", answer.Status, body)
	}
}
