package netsetup

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/knftables"
)

// fakeRoutes is a routing table without a kernel.
type fakeRoutes struct {
	mu    sync.Mutex
	table map[netip.Prefix]route
	fail  error
}

func (f *fakeRoutes) list() ([]route, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []route
	for _, r := range f.table {
		all = append(all, r)
	}
	return all, nil
}

func (f *fakeRoutes) set(r route) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return f.fail
	}
	if f.table == nil {
		f.table = map[netip.Prefix]route{}
	}
	f.table[r.to] = r
	return nil
}

func (f *fakeRoutes) remove(r route) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.table, r.to)
	return nil
}

func (f *fakeRoutes) mtu() (int, error) { return 1450, nil }

// shown is the table as lines.
func (f *fakeRoutes) shown() []string {
	all, _ := f.list()
	var lines []string
	for _, r := range all {
		lines = append(lines, r.String())
	}
	slices.Sort(lines)
	return lines
}

func node(name, cidr, ip string) *v1.Node {
	n := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.NodeSpec{PodCIDR: cidr}}
	if ip != "" {
		n.Status.Addresses = []v1.NodeAddress{{Type: v1.NodeHostName, Address: name}, {Type: v1.NodeInternalIP, Address: ip}}
	}
	return n
}

func newSetup(t *testing.T) (*setup, *fakeRoutes, *knftables.Fake) {
	t.Helper()
	routes, nft := &fakeRoutes{}, knftables.NewFake(knftables.IPv4Family, tableName)
	s := &setup{cfg: Config{NodeName: "node1", ConfDir: t.TempDir(), BinDirs: []string{t.TempDir()}, routes: routes, nft: nft}}
	if err := s.cfg.complete(); err != nil {
		t.Fatal(err)
	}
	return s, routes, nft
}

func toPeers(nodes ...*v1.Node) []peer {
	var all []peer
	for _, n := range nodes {
		p, _ := toPeer(n)
		all = append(all, p)
	}
	return all
}

func TestRoutesFollowTheNodes(t *testing.T) {
	s, routes, _ := newSetup(t)
	for _, c := range []struct {
		name  string
		nodes []*v1.Node
		want  []string
	}{
		{"nobody has a network yet", []*v1.Node{node("node1", "", "10.77.0.11")}, nil},
		{"two nodes", []*v1.Node{node("node1", "10.244.1.0/24", "10.77.0.11"), node("node2", "10.244.2.0/24", "10.77.0.12")},
			[]string{"10.244.1.0/24 unreachable", "10.244.2.0/24 via 10.77.0.12"}},
		{"one without an address", []*v1.Node{node("node1", "10.244.1.0/24", "10.77.0.11"), node("node2", "10.244.2.0/24", "")},
			[]string{"10.244.1.0/24 unreachable"}},
		{"another address", []*v1.Node{node("node1", "10.244.1.0/24", "10.77.0.11"), node("node2", "10.244.2.0/24", "10.77.0.99")},
			[]string{"10.244.1.0/24 unreachable", "10.244.2.0/24 via 10.77.0.99"}},
		{"networks swapped", []*v1.Node{node("node1", "10.244.2.0/24", "10.77.0.11"), node("node2", "10.244.1.0/24", "10.77.0.99")},
			[]string{"10.244.1.0/24 via 10.77.0.99", "10.244.2.0/24 unreachable"}},
		{"gone", []*v1.Node{node("node1", "10.244.2.0/24", "10.77.0.11")}, []string{"10.244.2.0/24 unreachable"}},
	} {
		if err := s.sync(t.Context(), toPeers(c.nodes...)); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := routes.shown(); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestMasqueradeSparesPodsAndNodes(t *testing.T) {
	s, _, nft := newSetup(t)
	all := toPeers(node("node1", "10.244.1.0/24", "10.77.0.11"), node("node2", "10.244.2.0/24", "10.77.0.12"))
	for range 2 { // the second time replaces the first
		if err := s.sync(t.Context(), all); err != nil {
			t.Fatal(err)
		}
	}
	dump := nft.Dump()
	for _, part := range []string{
		"add chain ip noriter-agent postrouting { type nat hook postrouting priority 100 ; }",
		"add element ip noriter-agent nodes { 10.77.0.11 }", "add element ip noriter-agent nodes { 10.77.0.12 }",
		"add element ip noriter-agent pods { 10.244.0.0/16 }",
		"ip saddr 10.244.1.0/24 ip daddr != @pods ip daddr != @nodes ip daddr != 224.0.0.0/4 masquerade fully-random",
	} {
		if !strings.Contains(dump, part) {
			t.Errorf("no %q in\n%s", part, dump)
		}
	}
	if n := strings.Count(dump, "add rule"); n != 1 {
		t.Errorf("%d rules", n)
	}
}

func TestConflist(t *testing.T) {
	s, _, _ := newSetup(t)
	path := filepath.Join(s.cfg.ConfDir, confName)
	if err := s.sync(t.Context(), toPeers(node("node1", "", "10.77.0.11"))); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Fatal("a configuration without a network; the node would seem ready")
	}
	if err := s.sync(t.Context(), toPeers(node("node1", "10.244.1.0/24", "10.77.0.11"))); err != nil {
		t.Fatal(err)
	}
	first := readConf(t, path)
	plugin := first.Plugins[0]
	if first.Name != "noriter" || first.CNIVersion != "1.0.0" || plugin.Type != "ptp" || plugin.MTU != 1450 || plugin.IPAM.Type != "host-local" ||
		plugin.IPAM.Ranges[0][0].Subnet != "10.244.1.0/24" || plugin.IPAM.Routes[0].Dst != "0.0.0.0/0" {
		t.Errorf("got %+v", first)
	}
	// Written again only if it changes: the runtime reloads whenever it is.
	old := time.Unix(1, 0)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	if err := s.sync(t.Context(), toPeers(node("node1", "10.244.1.0/24", "10.77.0.11"))); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(path); !info.ModTime().Equal(old) {
		t.Error("written again without a change")
	}
	if err := s.sync(t.Context(), toPeers(node("node1", "10.244.7.0/24", "10.77.0.11"))); err != nil {
		t.Fatal(err)
	}
	if got := readConf(t, path).Plugins[0].IPAM.Ranges[0][0].Subnet; got != "10.244.7.0/24" {
		t.Errorf("after a change: %s", got)
	}
	if left, _ := os.ReadDir(s.cfg.ConfDir); len(left) != 1 {
		t.Errorf("left %v", left)
	}
}

func TestHostPortsNeedTheirPlugin(t *testing.T) {
	s, _, _ := newSetup(t)
	if canHostPorts(t.Context(), s.cfg.BinDirs) {
		t.Error("found a plugin that isn't there")
	}
	var c confFile
	p, _ := toPeer(node("node1", "10.244.1.0/24", "10.77.0.11"))
	if err := json.Unmarshal(conflist(p, 1500, true), &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Plugins) != 2 || c.Plugins[1].Type != "portmap" || !c.Plugins[1].Capabilities["portMappings"] {
		t.Errorf("got %+v", c)
	}
}

type confFile struct {
	CNIVersion, Name string
	Plugins          []struct {
		Type         string
		Capabilities map[string]bool
		MTU          int
		IPAM         struct {
			Type   string
			Ranges [][]struct{ Subnet string }
			Routes []struct{ Dst string }
		}
	}
}

func readConf(t *testing.T, path string) (c confFile) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// A route that can't be set doesn't keep the pods of this node from starting.
func TestOnePartFailsTheOthersGoOn(t *testing.T) {
	s, routes, nft := newSetup(t)
	routes.fail = errors.New("no way")
	err := s.sync(t.Context(), toPeers(node("node1", "10.244.1.0/24", "10.77.0.11"), node("node2", "10.244.2.0/24", "10.99.0.1")))
	if err == nil || !strings.Contains(err.Error(), "route to the pods of node2: no way") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(s.cfg.ConfDir, confName)); err != nil {
		t.Error(err)
	}
	if !strings.Contains(nft.Dump(), "masquerade") {
		t.Error("no masquerade")
	}
}

func TestRunFollowsTheAPI(t *testing.T) {
	client := fake.NewClientset(node("node1", "10.244.1.0/24", "10.77.0.11"))
	s, routes, _ := newSetup(t)
	s.cfg.Client = client
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	s.cfg.forwarding = filepath.Join(t.TempDir(), "ip_forward")
	go func() { done <- Run(ctx, s.cfg) }()
	waitFor(t, func() bool { return slices.Equal(routes.shown(), []string{"10.244.1.0/24 unreachable"}) })
	if _, err := client.CoreV1().Nodes().Create(ctx, node("node2", "10.244.2.0/24", "10.77.0.12"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return len(routes.shown()) == 2 })
	if err := client.CoreV1().Nodes().Delete(ctx, "node2", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return len(routes.shown()) == 1 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for range 1000 {
		if done() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("waited five seconds in vain")
}

func TestBadConfigIsRefused(t *testing.T) {
	for _, c := range []Config{{}, {NodeName: "n", ClusterCIDR: "10.244.0.0"}, {NodeName: "n", ClusterCIDR: "fd00::/64"}} {
		c.nft, c.routes = knftables.NewFake(knftables.IPv4Family, tableName), &fakeRoutes{}
		if err := c.complete(); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}

func TestEnableForwarding(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ip_forward")
	if err := os.WriteFile(path, []byte("0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := enableForwarding(path); err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(path); string(data) != "1\n" {
		t.Errorf("holds %q", data)
	}
	if err := enableForwarding(filepath.Join(t.TempDir(), "no/such")); err == nil {
		t.Error("no error")
	}
}
