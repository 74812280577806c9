package proxy

import (
	"net/netip"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// TestOwnAddressesAreNotTaken: a Service that names a machine's address, or that of the
// API server's Service, gets nothing of what is sent there.
func TestOwnAddressesAreNotTaken(t *testing.T) {
	own := []netip.Prefix{netip.MustParsePrefix("10.77.0.0/24"), netip.MustParsePrefix("10.96.0.0/16")}
	s := testService("evil", "10.96.7.7", 0)
	s.Spec.ExternalIPs = []string{"10.77.0.10", "10.96.0.1", "192.0.2.1"}
	s.Status.LoadBalancer.Ingress = []v1.LoadBalancerIngress{{IP: "10.77.0.11"}, {IP: "192.0.2.2"}}
	ports := makeServicePorts(s, []*discoveryv1.EndpointSlice{testSlice("evil", "10.244.1.2")}, "node", own)
	if len(ports) == 0 {
		t.Fatal("nothing came of the Service")
	}
	all := stateOf(ports...)
	for container, elements := range all.elements {
		for key := range elements {
			for _, address := range []string{"10.77.0.10 ", "10.77.0.11 ", "10.96.0.1 "} {
				if strings.HasPrefix(key, address) {
					t.Errorf("%s has %s", container, key)
				}
			}
		}
	}
	for _, key := range []string{"10.96.7.7 . tcp . 80", "192.0.2.1 . tcp . 80", "192.0.2.2 . tcp . 80"} {
		if _, there := all.elements[serviceIPsMap][key]; !there {
			t.Errorf("%s was lost", key)
		}
	}
}

// TestFree: the rules of an earlier proxy keep nobody from the API server, and nothing
// else is touched.
func TestFree(t *testing.T) {
	s := testService("evil", "10.96.7.7", 0)
	s.Spec.ExternalIPs = []string{"10.77.0.10", "192.0.2.1"}
	w, fake := fakeWriter(t)
	apply(t, w, stateOf(makeServicePorts(s, []*discoveryv1.EndpointSlice{testSlice("evil", "10.244.1.2")}, "node", nil)...))
	before := fake.Dump()
	if !strings.Contains(before, "10.77.0.10 . tcp . 80") {
		t.Fatalf("the Service has captured nothing:\n%s", before)
	}
	if err := newWriter(fake, "", nil).free(t.Context(), netip.MustParseAddr("10.77.0.10")); err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(before) {
		if !strings.Contains(line, "{ 10.77.0.10 ") {
			want = append(want, line)
		}
	}
	if got := fake.Dump(); got != strings.Join(want, "") {
		t.Errorf("the table is now\n%s", got)
	}
}
