package proxy

import (
	"context"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/knftables"
)

var update = flag.Bool("update", false, "write the golden files anew")

const testRange = "10.244.0.0/16"

func ep(addr string, marks ...string) endpoint {
	e := endpoint{addr: netip.MustParseAddrPort(addr), ready: true, serving: true}
	for _, m := range marks {
		switch m {
		case "local":
			e.local = true
		case "leaving": // terminating, but still serving
			e.ready, e.terminating = false, true
		case "starting":
			e.ready, e.serving = false, false
		}
	}
	return e
}

func web(endpoints ...endpoint) servicePort {
	return servicePort{
		namespace: "default", service: "web", port: "http", protocol: "tcp",
		clusterIP: netip.MustParseAddr("10.96.7.7"), number: 80, endpoints: endpoints,
	}
}

func stateOf(ports ...servicePort) *state {
	s := newState()
	for i := range ports {
		s.merge(rulesFor(&ports[i], testRange))
	}
	return s
}

func fakeWriter(t *testing.T) (*writer, *knftables.Fake) {
	t.Helper()
	fake := knftables.NewFake(knftables.IPv4Family, kubeProxyTable)
	w := newWriter(fake, testRange, nil)
	return w, fake
}

func apply(t *testing.T, w *writer, s *state) int {
	t.Helper()
	n, err := w.apply(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestGolden shows what a Service becomes; the files are worth reading.
func TestGolden(t *testing.T) {
	cases := map[string]func() []servicePort{
		"cluster-ip": func() []servicePort {
			return []servicePort{web(ep("10.244.1.2:8080", "local"), ep("10.244.2.3:8080"))}
		},
		"no-endpoints": func() []servicePort {
			p := web(ep("10.244.1.2:8080", "starting"))
			p.nodePort = 30080
			return []servicePort{p}
		},
		"node-port": func() []servicePort {
			p := web(ep("10.244.2.3:8080"))
			p.nodePort = 30080
			return []servicePort{p}
		},
		"node-port-local": func() []servicePort {
			p := web(ep("10.244.1.2:8080", "local"), ep("10.244.2.3:8080"))
			p.nodePort, p.externalLocal = 30080, true
			return []servicePort{p}
		},
		"node-port-local-elsewhere": func() []servicePort {
			p := web(ep("10.244.2.3:8080"))
			p.nodePort, p.externalLocal = 30080, true
			return []servicePort{p}
		},
		"internal-local": func() []servicePort {
			p := web(ep("10.244.1.2:8080", "local"), ep("10.244.2.3:8080"))
			p.internalLocal = true
			return []servicePort{p}
		},
		"session-affinity": func() []servicePort {
			p := web(ep("10.244.1.2:8080", "local"), ep("10.244.2.3:8080"))
			p.affinity = 3 * time.Hour
			return []servicePort{p}
		},
		"load-balancer": func() []servicePort {
			p := web(ep("10.244.2.3:8080"))
			p.loadBalancerVIPs = []netip.Addr{netip.MustParseAddr("192.0.2.1")}
			p.externalIPs = []netip.Addr{netip.MustParseAddr("192.0.2.9")}
			p.loadBalancerSourceRanges = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24")}
			return []servicePort{p}
		},
		"dns": func() []servicePort {
			udp := servicePort{namespace: "kube-system", service: "kube-dns", port: "dns", protocol: "udp", clusterIP: netip.MustParseAddr("10.96.0.10"), number: 53,
				endpoints: []endpoint{ep("10.244.0.2:53"), ep("10.244.1.2:53", "leaving")}}
			tcp := udp
			tcp.port, tcp.protocol = "dns-tcp", "tcp"
			return []servicePort{udp, tcp}
		},
	}
	for name, ports := range cases {
		t.Run(name, func(t *testing.T) {
			w, fake := fakeWriter(t)
			apply(t, w, stateOf())
			base := fake.Dump()
			apply(t, w, stateOf(ports()...))
			got := added(base, fake.Dump())
			path := filepath.Join("testdata", name+".nft")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("rules differ (-want +got); run with -update if that is intended:\n%s", diff)
			}
		})
	}
}

func TestGoldenBase(t *testing.T) {
	w, fake := fakeWriter(t)
	apply(t, w, stateOf())
	path := filepath.Join("testdata", "base.nft")
	if *update {
		if err := os.WriteFile(path, []byte(fake.Dump()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), fake.Dump()); diff != "" {
		t.Errorf("rules differ (-want +got):\n%s", diff)
	}
}

// added returns the lines of after that before doesn't have.
func added(before, after string) string {
	known := map[string]bool{}
	for line := range strings.Lines(before) {
		known[line] = true
	}
	var out strings.Builder
	for line := range strings.Lines(after) {
		if !known[line] {
			out.WriteString(line)
		}
	}
	return out.String()
}

func TestChoose(t *testing.T) {
	a, b := ep("10.244.1.1:1", "local"), ep("10.244.2.1:1")
	leavingHere, leavingThere := ep("10.244.1.9:1", "local", "leaving"), ep("10.244.2.9:1", "leaving")
	starting := ep("10.244.1.5:1", "local", "starting")
	for name, c := range map[string]struct {
		endpoints      []endpoint
		cluster, local []endpoint
	}{
		"ready ones":                        {[]endpoint{a, b, starting}, []endpoint{a, b}, []endpoint{a}},
		"not the leaving while ready exist": {[]endpoint{b, leavingThere}, []endpoint{b}, nil},
		"the leaving when nothing is ready": {[]endpoint{leavingHere, leavingThere, starting}, []endpoint{leavingHere, leavingThere}, []endpoint{leavingHere}},
		"the leaving of this node":          {[]endpoint{b, leavingHere}, []endpoint{b}, []endpoint{leavingHere}},
		"nobody":                            {[]endpoint{starting}, nil, nil},
	} {
		p := web(c.endpoints...)
		p.externalLocal = true
		got := p.categorizeEndpoints()
		opt := cmp.AllowUnexported(endpoint{})
		cmpAddr := cmp.Comparer(func(x, y netip.AddrPort) bool { return x == y })
		if diff := cmp.Diff(c.cluster, got.cluster, opt, cmpAddr); diff != "" {
			t.Errorf("%s: cluster: %s", name, diff)
		}
		if diff := cmp.Diff(c.local, got.local, opt, cmpAddr); diff != "" {
			t.Errorf("%s: local: %s", name, diff)
		}
	}
}

func TestNamesAreUniqueAndFit(t *testing.T) {
	long := servicePort{namespace: strings.Repeat("n", 63), service: strings.Repeat("s", 63), port: strings.Repeat("p", 63), protocol: "tcp"}
	other := long
	other.port = strings.Repeat("p", 62) + "q"
	a, b := chainNamesFor(&long), chainNamesFor(&other)
	if a.cluster == b.cluster {
		t.Error("two ports share a chain")
	}
	e := ep("255.255.255.255:65535")
	for _, name := range []string{a.cluster, a.local, a.external, a.firewall, a.endpoint(e)} {
		if len(name) > knftables.NameLengthMax || !isServiceChainName(name) {
			t.Errorf("%s (%d bytes) is not the name of a service chain", name, len(name))
		}
	}
	if len(a.comment) > knftables.CommentLengthMax {
		t.Errorf("comment has %d bytes", len(a.comment))
	}
	for name := range fixedChains("", nil) {
		if isServiceChainName(name) {
			t.Errorf("%s would be taken for a service's chain", name)
		}
	}
}
