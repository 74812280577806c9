package netsetup

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"sigs.k8s.io/knftables"
)

// ownNamespace moves the test's thread into a network namespace of its own, with an
// interface at 10.77.0.11/24, until the test ends.
func ownNamespace(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	own, err := netns.New() // has no name: it goes when the thread leaves it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netns.Set(home); err != nil {
			t.Errorf("going home: %v", err) // the thread stays locked, and dies
			return
		}
		runtime.UnlockOSThread()
		own.Close()
		home.Close()
	})
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0", MTU: 1400}, PeerName: "eth9"}
	must(t, netlink.LinkAdd(link))
	eth9, err := netlink.LinkByName("eth9")
	must(t, err)
	must(t, netlink.LinkSetUp(eth9))
	eth0, err := netlink.LinkByName("eth0")
	must(t, err)
	must(t, netlink.AddrAdd(eth0, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(10, 77, 0, 11), Mask: net.CIDRMask(24, 32)}}))
	must(t, netlink.LinkSetUp(eth0))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRoutesInTheKernel(t *testing.T) {
	ownNamespace(t)
	gateway := net.IPv4(10, 77, 0, 1)
	must(t, netlink.RouteAdd(&netlink.Route{Gw: gateway}))
	_, foreign, _ := net.ParseCIDR("10.244.9.0/24")
	must(t, netlink.RouteAdd(&netlink.Route{Dst: foreign, Gw: gateway}))
	s, _, _ := newSetup(t)
	s.cfg.routes = kernelRoutes{}
	step := func(want string, peers ...peer) {
		t.Helper()
		if err := s.routes(t.Context(), peers); err != nil {
			t.Fatal(err)
		}
		all, err := kernelRoutes{}.list()
		must(t, err)
		var lines []string
		for _, r := range all {
			lines = append(lines, r.String())
		}
		if got := strings.Join(lines, "; "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	self := peer{name: "node1", pods: netip.MustParsePrefix("10.244.1.0/24"), ip: netip.MustParseAddr("10.77.0.11")}
	other := peer{name: "node2", pods: netip.MustParsePrefix("10.244.2.0/24"), ip: netip.MustParseAddr("10.77.0.12")}
	step("10.244.1.0/24 unreachable; 10.244.2.0/24 via 10.77.0.12", self, other)
	step("10.244.1.0/24 unreachable; 10.244.2.0/24 via 10.77.0.12", self, other)
	other.ip = netip.MustParseAddr("10.77.0.13")
	step("10.244.1.0/24 unreachable; 10.244.2.0/24 via 10.77.0.13", self, other)
	self.pods, other.pods = other.pods, self.pods
	step("10.244.1.0/24 via 10.77.0.13; 10.244.2.0/24 unreachable", self, other)
	step("10.244.2.0/24 unreachable", self)
	step("")
	left, err := netlink.RouteGet(net.IPv4(10, 244, 9, 1))
	if err != nil || len(left) != 1 || !left[0].Gw.Equal(gateway) {
		t.Errorf("a route of somebody else: %v, %v", left, err)
	}
	if mtu, err := (kernelRoutes{}).mtu(); err != nil || mtu != 1400 {
		t.Errorf("mtu %d, %v", mtu, err)
	}
	away := peer{name: "node3", pods: netip.MustParsePrefix("10.244.3.0/24"), ip: netip.MustParseAddr("192.0.2.1")}
	must(t, netlink.RouteDel(&netlink.Route{Gw: gateway}))
	if err := s.routes(t.Context(), []peer{away}); err == nil || !strings.Contains(err.Error(), "not on a network of this machine") {
		t.Errorf("a node out of reach gave %v", err)
	}
}

func TestMasqueradeInTheKernel(t *testing.T) {
	ownNamespace(t)
	if _, err := exec.LookPath("nft"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs nft")
		}
		t.Skip("needs nft")
	}
	nft, err := knftables.New(knftables.IPv4Family, tableName)
	must(t, err)
	s, _, _ := newSetup(t)
	s.cfg.nft = nft
	all := toPeers(node("node1", "10.244.1.0/24", "10.77.0.11"), node("node2", "10.244.2.0/24", "10.77.0.12"))
	for range 2 {
		if err := s.masquerade(t.Context(), all[0], all); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), "nft", "list", "table", "ip", tableName).Output()
	must(t, err)
	for _, part := range []string{"type nat hook postrouting priority srcnat", "10.77.0.11, 10.77.0.12", "10.244.0.0/16",
		"ip saddr 10.244.1.0/24 ip daddr != @pods ip daddr != @nodes ip daddr != 224.0.0.0/4 masquerade fully-random"} {
		if !strings.Contains(string(out), part) {
			t.Errorf("no %q in\n%s", part, out)
		}
	}
}
