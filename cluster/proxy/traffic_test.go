package proxy

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/knftables"
)

const (
	vip      = "10.96.7.7:80"
	nodePort = nodeIP + ":30080"
)

// cluster is a source with one Service, and the proxier that follows it.
type cluster struct {
	t       *testing.T
	svc     *v1.Service
	slice   *discoveryv1.EndpointSlice
	proxier *proxier
}

func (c *cluster) service(types.NamespacedName) *v1.Service { return c.svc }
func (c *cluster) slices(types.NamespacedName) []*discoveryv1.EndpointSlice {
	return []*discoveryv1.EndpointSlice{c.slice}
}

func testService(name, ip string, node int32) *v1.Service {
	return &v1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: v1.ServiceSpec{
			Type: v1.ServiceTypeNodePort, ClusterIP: ip,
			Ports: []v1.ServicePort{
				{Name: "http", Port: 80, NodePort: node, Protocol: v1.ProtocolTCP},
				{Name: "dns", Port: 53, Protocol: v1.ProtocolUDP},
			},
		},
	}
}

func testSlice(name string, addresses ...string) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "default", Name: name + "-abc", Labels: map[string]string{discoveryv1.LabelServiceName: name}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports: []discoveryv1.EndpointPort{
			{Name: ptr.To("http"), Port: ptr.To[int32](8080), Protocol: ptr.To(v1.ProtocolTCP)},
			{Name: ptr.To("dns"), Port: ptr.To[int32](5353), Protocol: ptr.To(v1.ProtocolUDP)},
		},
	}
	for _, a := range addresses {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{a}, NodeName: ptr.To("node"), Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)}})
	}
	return s
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{t: t, svc: testService("web", "10.96.7.7", 30080), slice: testSlice("web")}
	c.restart()
	return c
}

// restart replaces the proxier by one that knows nothing, as after a crash.
func (c *cluster) restart() {
	c.t.Helper()
	nft, err := knftables.New(knftables.IPv4Family, kubeProxyTable)
	if err != nil {
		c.t.Fatal(err)
	}
	c.proxier = newProxier("node", c, newWriter(nft, testRange, nil))
	c.sync()
}

func (c *cluster) sync() {
	c.t.Helper()
	c.proxier.serviceChanged(types.NamespacedName{Namespace: "default", Name: "web"})
	if err := c.proxier.syncProxyRules(context.Background()); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) endpoints(addresses ...string) {
	c.t.Helper()
	c.slice = testSlice("web", addresses...)
	c.sync()
}

func TestTraffic(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	buildNode(t)
	c := newCluster(t)

	t.Run("without endpoints connections are refused", func(t *testing.T) {
		for _, from := range []string{"node", "pod1", "client"} {
			refused(t, from, vip)
			refused(t, from, nodePort)
		}
	})
	c.endpoints("10.244.1.2", "10.244.1.3")
	t.Run("both pods answer, wherever one asks", func(t *testing.T) {
		for _, from := range []string{"node", "pod1", "client"} {
			for _, to := range []string{vip, nodePort} {
				answers, _ := mustAsk(t, 40, from, to)
				if answers["pod1"] < 5 || answers["pod2"] < 5 {
					t.Errorf("from %s to %s: %v", from, to, answers)
				}
			}
		}
	})
	t.Run("another port of the address is refused", func(t *testing.T) { refused(t, "pod1", "10.96.7.7:81") })
	t.Run("a pod is seen by its own address", func(t *testing.T) {
		c.endpoints("10.244.1.3")
		if _, seen := mustAsk(t, 1, "pod1", vip); seen != "10.244.1.2" {
			t.Errorf("pod2 saw %s", seen)
		}
	})
	t.Run("a pod reaches itself", func(t *testing.T) {
		c.endpoints("10.244.1.2")
		for _, to := range []string{vip, nodePort} {
			if _, seen := mustAsk(t, 3, "pod1", to); seen != podGateway {
				t.Errorf("to %s: pod1 saw %s", to, seen)
			}
		}
	})
	t.Run("policy Local keeps the client's address", func(t *testing.T) {
		if _, seen := mustAsk(t, 1, "client", nodePort); seen != podGateway {
			t.Errorf("with policy Cluster the pod saw %s", seen)
		}
		c.svc.Spec.ExternalTrafficPolicy = v1.ServiceExternalTrafficPolicyLocal
		c.sync()
		if _, seen := mustAsk(t, 1, "client", nodePort); seen != clientIP {
			t.Errorf("with policy Local the pod saw %s", seen)
		}
		c.svc.Spec.ExternalTrafficPolicy = ""
		c.sync()
	})
	t.Run("a load balancer's address, and who may use it", c.testBalancer)
	t.Run("node ports only where they are wanted", c.testNodePortAddresses)
	t.Run("session affinity", c.testAffinity)
	t.Run("a restart drops nothing", c.testRestart)
	t.Run("UDP follows the endpoints", c.testUDP)
	t.Run("tampering is mended", c.testTampering)
	t.Run("a removed Service leaves nothing", c.testRemoval)
}

func (c *cluster) testBalancer(t *testing.T) {
	c.endpoints("10.244.1.2")
	before := c.svc
	defer func() { c.svc = before; c.sync() }()
	c.svc = before.DeepCopy()
	c.svc.Status.LoadBalancer.Ingress = []v1.LoadBalancerIngress{{IP: "203.0.113.9"}}
	c.sync()
	mustAsk(t, 1, "client", "203.0.113.9:80")
	c.svc.Spec.LoadBalancerSourceRanges = []string{clientIP + "/32", "198.51.100.0/24"}
	c.sync()
	mustAsk(t, 1, "client", "203.0.113.9:80")
	c.svc.Spec.LoadBalancerSourceRanges = []string{"198.51.100.0/24"}
	c.sync()
	if _, _, err := ask(t, "client", "203.0.113.9:80"); err == nil {
		t.Error("a client that is not in loadBalancerSourceRanges got an answer")
	}
}

func (c *cluster) testNodePortAddresses(t *testing.T) {
	w := c.proxier.writer
	defer func() { w.nodePortRanges = nil; w.forget(); c.sync() }()
	w.nodePortRanges = []string{"192.168.50.0/24"}
	w.forget()
	c.sync()
	mustAsk(t, 1, "client", nodePort)
	refused(t, "client", "10.244.1.1:30080")
	w.nodePortRanges = []string{"10.244.0.0/16", "192.168.99.0/24"}
	w.forget()
	c.sync()
	refused(t, "client", nodePort)
	mustAsk(t, 1, "client", "10.244.1.1:30080")
}

func (c *cluster) testAffinity(t *testing.T) {
	c.endpoints("10.244.1.2", "10.244.1.3")
	c.svc.Spec.SessionAffinity = v1.ServiceAffinityClientIP
	c.sync()
	first, _ := mustAsk(t, 1, "client", nodePort)
	again, _ := mustAsk(t, 20, "client", nodePort)
	c.restart()
	restarted, _ := mustAsk(t, 20, "client", nodePort)
	for pod := range first {
		if again[pod] != 20 || restarted[pod] != 20 {
			t.Errorf("first %v, then %v, after a restart %v", first, again, restarted)
		}
	}
	// Another time to remember, and then none at all.
	c.svc.Spec.SessionAffinityConfig = &v1.SessionAffinityConfig{ClientIP: &v1.ClientIPConfig{TimeoutSeconds: ptr.To[int32](60)}}
	c.sync()
	mustAsk(t, 1, "client", nodePort)
	c.svc.Spec.SessionAffinity, c.svc.Spec.SessionAffinityConfig = "", nil
	c.sync()
	if answers, _ := mustAsk(t, 40, "client", nodePort); len(answers) != 2 {
		t.Errorf("without affinity: %v", answers)
	}
}

func (c *cluster) testRestart(t *testing.T) {
	c.endpoints("10.244.1.2", "10.244.1.3")
	var conn net.Conn
	in(t, "client", func() {
		var err error
		if conn, err = net.DialTimeout("tcp4", nodePort, time.Second); err != nil {
			t.Fatal(err)
		}
	})
	defer conn.Close()
	stop := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				mustAsk(t, 1, "pod1", vip)
			}
		}
	})
	for range 5 {
		c.restart()
	}
	close(stop)
	asking.Wait()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil { // the restarts may have taken longer
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("still here\n")); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 100)
	for got := ""; !strings.Contains(got, "still here"); {
		n, err := conn.Read(buffer)
		if err != nil {
			t.Fatalf("the connection broke: %v", err)
		}
		got += string(buffer[:n])
	}
}

func (c *cluster) testUDP(t *testing.T) {
	c.endpoints("10.244.1.2")
	var conn net.Conn
	in(t, "client", func() {
		var err error
		if conn, err = net.Dial("udp4", "10.96.7.7:53"); err != nil {
			t.Fatal(err)
		}
	})
	defer conn.Close()
	exchange := func() (string, error) {
		buffer := make([]byte, 100)
		if _, err := conn.Write([]byte("who")); err != nil {
			return "", err
		}
		if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			return "", err
		}
		n, err := conn.Read(buffer)
		return string(buffer[:n]), err
	}
	if got, err := exchange(); got != "pod1" {
		t.Errorf("got %q, %v", got, err)
	}
	c.endpoints("10.244.1.3")
	if got, err := exchange(); got != "pod2" {
		t.Errorf("after the endpoint moved, one and the same flow gets %q, %v", got, err)
	}
	c.endpoints()
	if got, err := exchange(); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("without endpoints the flow gets %q, %v", got, err)
	}
	c.endpoints("10.244.1.2")
	if got, err := exchange(); got != "pod1" {
		t.Errorf("with an endpoint again the flow gets %q, %v", got, err)
	}
}

func (c *cluster) testTampering(t *testing.T) {
	c.endpoints("10.244.1.2")
	w := c.proxier.writer
	if different, err := w.verify(t.Context()); err != nil || different != "" {
		t.Errorf("untouched: %q, %v", different, err)
	}
	run1(t, "nft flush ruleset")
	if different, err := w.verify(t.Context()); err != nil || different == "" {
		t.Errorf("after nft flush ruleset: %q, %v", different, err)
	}
	w.forget()
	c.sync()
	mustAsk(t, 1, "client", nodePort)
	// Without a check in between, the next change fails once and is then mended.
	run1(t, "nft delete table ip kube-proxy")
	c.slice = testSlice("web", "10.244.1.3")
	c.proxier.serviceChanged(types.NamespacedName{Namespace: "default", Name: "web"})
	if err := c.proxier.syncProxyRules(t.Context()); err == nil {
		t.Error("a change of a table that is gone worked")
	}
	c.sync()
	mustAsk(t, 1, "client", nodePort)
}

func (c *cluster) testRemoval(t *testing.T) {
	c.svc = nil
	c.sync()
	w := c.proxier.writer
	w.now = func() time.Time { return time.Now().Add(staleAge) }
	if w.deleteStaleChains(t.Context()) {
		t.Error("emptied chains can't be deleted")
	}
	have, err := w.observe(t.Context())
	if err != nil || len(have.chains) != 0 || len(have.affinity) != 0 {
		t.Errorf("left over: %v %v, %v", sortedKeys(have.chains), sortedKeys(have.affinity), err)
	}
	for name, elements := range have.elements {
		if len(elements) != 0 {
			t.Errorf("left over in %s: %v", name, sortedKeys(elements))
		}
	}
}
