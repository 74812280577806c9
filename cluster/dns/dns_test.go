package dns

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

func objects(t *testing.T, o Options) map[string]*unstructured.Unstructured {
	t.Helper()
	list, err := Manifests(o)
	if err != nil {
		t.Fatal(err)
	}
	byKind := map[string]*unstructured.Unstructured{}
	for _, object := range list {
		byKind[object.GetKind()] = object
	}
	return byKind
}

// strictly converts to the typed object; a misspelt field is an error.
func strictly(t *testing.T, from *unstructured.Unstructured, to any) {
	t.Helper()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(from.Object, to, true); err != nil {
		t.Errorf("%s: %v", from.GetKind(), err)
	}
}

func TestManifestsAreWellFormed(t *testing.T) {
	all := objects(t, Options{Image: "noriter/coredns:1", Domain: "example.test", ClusterIP: "10.1.2.3", Replicas: 2, Forward: "/etc/resolv.conf"})
	var account v1.ServiceAccount
	var role rbacv1.ClusterRole
	var binding rbacv1.ClusterRoleBinding
	var config v1.ConfigMap
	var service v1.Service
	var deployment appsv1.Deployment
	strictly(t, all["ServiceAccount"], &account)
	strictly(t, all["ClusterRole"], &role)
	strictly(t, all["ClusterRoleBinding"], &binding)
	strictly(t, all["ConfigMap"], &config)
	strictly(t, all["Service"], &service)
	strictly(t, all["Deployment"], &deployment)

	if service.Spec.ClusterIP != "10.1.2.3" || len(service.Spec.Ports) != 3 {
		t.Errorf("the Service has address %s and ports %v", service.Spec.ClusterIP, service.Spec.Ports)
	}
	container := deployment.Spec.Template.Spec.Containers[0]
	if *deployment.Spec.Replicas != 2 || container.Image != "noriter/coredns:1" {
		t.Errorf("the Deployment has %d replicas of %s", *deployment.Spec.Replicas, container.Image)
	}
	if deployment.Spec.Template.Spec.ServiceAccountName != account.Name || binding.Subjects[0].Name != account.Name || binding.RoleRef.Name != role.Name {
		t.Error("account, role and pods don't fit together")
	}
	if selected := deployment.Spec.Template.Labels["k8s-app"]; selected != service.Spec.Selector["k8s-app"] {
		t.Errorf("the Service selects %v, pods have %q", service.Spec.Selector, selected)
	}
	corefile := config.Data["Corefile"]
	for _, want := range []string{"kubernetes example.test in-addr.arpa", "forward . /etc/resolv.conf {", "disable success example.test"} {
		if !strings.Contains(corefile, want) {
			t.Errorf("the Corefile lacks %q:\n%s", want, corefile)
		}
	}
}

func TestOfflineDoesNotForward(t *testing.T) {
	corefile, _, err := unstructured.NestedString(objects(t, Options{Image: "x"})["ConfigMap"].Object, "data", "Corefile")
	if err != nil || strings.Contains(corefile, "forward") {
		t.Errorf("%v; the Corefile is:\n%s", err, corefile)
	}
}

func TestBadOptionsAreAllNamed(t *testing.T) {
	_, err := Manifests(Options{ClusterIP: "dns", Domain: "Not A Domain", Replicas: -1, Forward: "x }"})
	for _, want := range []string{"ClusterIP", "domain", "image", "replicas", "forward"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error doesn't speak of %s: %v", want, err)
		}
	}
}

// TestAnsweringWaitsForTheServer has a real DNS server on the loopback that
// is not there at first.
func TestAnsweringWaitsForTheServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: listener, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA && q.Question[0].Name == "kubernetes.default.svc.cluster.local." {
			m.Answer = []dns.RR{&dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1},
				A:   net.IPv4(10, 96, 0, 1),
			}}
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = server.ActivateAndServe() }()
	defer func() { _ = server.Shutdown() }()

	// Atomic, since the resolver dials for A and AAAA at the same time.
	var attempts atomic.Int32
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		if attempts.Add(1) < 3 {
			return nil, errors.New("connection refused")
		}
		return (&net.Dialer{}).DialContext(ctx, network, listener.Addr().String())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	got, err := Answering(ctx, dial, "10.96.0.10:53", "kubernetes.default.svc.cluster.local")
	if err != nil || len(got) != 1 || got[0] != "10.96.0.1" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestAnsweringSaysWhatItWaitedFor(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	refuse := func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no route") }
	_, err := Answering(ctx, refuse, "10.96.0.10:53", "x.test")
	if err == nil || !strings.Contains(err.Error(), "10.96.0.10:53") || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
