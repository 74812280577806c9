package install

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"noriter.dev/noriter/cluster/install/pki"
)

func testCluster(t *testing.T) (*Cluster, *pki.Bundle) {
	t.Helper()
	c := &Cluster{Name: "noriter", Dir: t.TempDir(), Subnet: netip.MustParsePrefix("10.77.0.0/24"), Nodes: []Node{
		{Name: "control", Address: netip.MustParseAddr("10.77.0.10"), Control: true}, {Name: "node1", Address: netip.MustParseAddr("10.77.0.11")},
	}}
	bundle, err := pki.Ensure(c.pkiDir(), c.pkiSpec())
	if err != nil {
		t.Fatal(err)
	}
	return c, bundle
}

// TestEachSecretHasOneReader: what is private is root's, or belongs to the one unit
// that reads it, and nothing is handed over that is not there.
func TestEachSecretHasOneReader(t *testing.T) {
	c, bundle := testCluster(t)
	roots := map[string][]string{
		"control": {
			pki.Dir + "/admin.conf", pki.Dir + "/kubelet.conf", pki.KubeletCertDir + "/kubelet.key",
			pki.CertDir + "/etcd/healthcheck-client.key",
		},
		"node1": {pki.Dir + "/kubelet.conf", pki.KubeletCertDir + "/kubelet.key"},
	}
	for _, n := range c.Nodes {
		files, err := bundle.Files(n.Name)
		if err != nil {
			t.Fatal(err)
		}
		var private []string
		for _, f := range files {
			if f.Mode&0o007 == 0 {
				private = append(private, f.Path)
			}
		}
		if n.Control {
			private = append(private, registryAccounts)
		}
		owned := slices.Clone(roots[n.Name])
		for _, a := range accountsOf(n) {
			owned = append(owned, a.owns...)
		}
		slices.Sort(private)
		slices.Sort(owned)
		if !slices.Equal(private, owned) {
			t.Errorf("%s has the private files\n%v\nand these are owned:\n%v", n.Name, private, owned)
		}
	}
}

// TestUnitsAreConfined: a unit that is added is, too.
func TestUnitsAreConfined(t *testing.T) {
	c, _ := testCluster(t)
	n := c.Control()
	for _, name := range Units(true) {
		text := "\n" + string(c.unitFile(name, n, facts{}))
		want := []string{"NoNewPrivileges=yes", "SystemCallFilter=@system-service", "CapabilityBoundingSet=", "MemoryDenyWriteExecute=yes"}
		if name != unitAgent {
			want = append(want, "User="+name+"\n", "ProtectSystem=strict", "PrivateDevices=yes")
			if !slices.ContainsFunc(accounts, func(a account) bool { return a.unit == name }) {
				t.Errorf("%s has no account", name)
			}
		}
		for _, line := range want {
			if !strings.Contains(text, "\n"+line) {
				t.Errorf("%s lacks %q", name, line)
			}
		}
		if strings.Contains(text, "CAP_SYS_ADMIN") && name != unitAgent || strings.Contains(text, "CAP_SYS_MODULE") {
			t.Errorf("%s has too many capabilities", name)
		}
	}
	if got := string(c.unitFile(unitProxy, n, facts{})); !strings.Contains(got, "--own-cidrs=10.77.0.0/24,10.96.0.0/16,10.244.0.0/16") {
		t.Errorf("the proxy does not know what is the cluster's own: %s", got)
	}
	// The host's kernel is closer to pods of container machines.
	for _, container := range []bool{true, false} {
		if got := strings.Contains(string(c.unitFile(unitAgent, n, facts{container: container})), "--seccomp-default"); got != container {
			t.Errorf("container machine: %t, --seccomp-default: %t", container, got)
		}
		// Only it sees more processors than it may use, and only where it is limited.
		for _, cpus := range []int{0, 3} {
			n := n
			n.CPUs = cpus
			want := 0
			if container && cpus == 3 {
				want = 1
			}
			text := string(c.unitFile(unitAgent, n, facts{container: container}))
			if strings.Count(text, "--capacity-cpu") != want || strings.Count(text, "--capacity-cpu=3") != want {
				t.Errorf("container machine: %t, processors: %d, the agent is told in\n%s", container, cpus, text)
			}
		}
	}
	seen := map[int]bool{}
	for _, a := range accounts {
		// systemd's range for dynamic users: nobody gives these numbers to a person.
		if a.id < 61184 || a.id > 65519 || seen[a.id] {
			t.Errorf("%s has the number %d", a.unit, a.id)
		}
		seen[a.id] = true
	}
}
