package pki

import (
	"crypto/x509"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func testCluster() Cluster {
	return Cluster{
		Name: "noriter", ControlName: "control", ControlAddress: netip.MustParseAddr("10.77.0.10"),
		Nodes:     []Node{{"node1", netip.MustParseAddr("10.77.0.11")}, {"node2", netip.MustParseAddr("10.77.0.12")}},
		ServiceIP: netip.MustParseAddr("10.96.0.1"), Domain: "cluster.local", RegistryHost: "registry.noriter.test",
	}
}

func mustEnsure(t *testing.T, dir string, c Cluster, now time.Time) *Bundle {
	t.Helper()
	b, err := ensure(dir, c, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// loadCert reads a certificate of the folder.
func loadCert(t *testing.T, dir, file string) *x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := parseCert(data)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// snapshot is the content of a folder.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		all[rel] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestServerNamesVerify(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	mustEnsure(t, dir, testCluster(), now)
	for _, tt := range []struct {
		cert, ca string
		names    []string
	}{
		{"apiserver.crt", "ca.crt", []string{
			"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
			"control", "localhost", "10.96.0.1", "127.0.0.1", "10.77.0.10",
		}},
		{"etcd/server.crt", "etcd/ca.crt", []string{"localhost", "127.0.0.1", "control"}},
		{"nodes/node2/kubelet.crt", "ca.crt", []string{"node2", "10.77.0.12"}},
		{"nodes/control/kubelet.crt", "ca.crt", []string{"control", "10.77.0.10"}},
	} {
		roots := x509.NewCertPool()
		roots.AddCert(loadCert(t, dir, tt.ca))
		cert := loadCert(t, dir, tt.cert)
		for _, name := range tt.names {
			if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: now}); err != nil {
				t.Errorf("%s for %s: %v", tt.cert, name, err)
			}
		}
		if err := cert.VerifyHostname("elsewhere"); err == nil {
			t.Errorf("%s is good for any name", tt.cert)
		}
	}
}

func TestClientsVerifyOnlyAgainstTheirAuthority(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	mustEnsure(t, dir, testCluster(), now)
	for _, tt := range []struct{ cert, ca, other, cn, org string }{
		{"admin.crt", "ca.crt", "etcd/ca.crt", "kubernetes-admin", "kubeadm:cluster-admins"},
		{"super-admin.crt", "ca.crt", "etcd/ca.crt", "kubernetes-super-admin", "system:masters"},
		{"scheduler.crt", "ca.crt", "front-proxy-ca.crt", "system:kube-scheduler", ""},
		{"controller-manager.crt", "ca.crt", "etcd/ca.crt", "system:kube-controller-manager", ""},
		{"nodes/node1/kubelet-client.crt", "ca.crt", "etcd/ca.crt", "system:node:node1", "system:nodes"},
		{"nodes/node1/kube-proxy.crt", "ca.crt", "etcd/ca.crt", "system:kube-proxy", ""},
		{"apiserver-kubelet-client.crt", "ca.crt", "etcd/ca.crt", "kube-apiserver-kubelet-client", ""},
		{"apiserver-etcd-client.crt", "etcd/ca.crt", "ca.crt", "kube-apiserver-etcd-client", ""},
		{"front-proxy-client.crt", "front-proxy-ca.crt", "ca.crt", "front-proxy-client", ""},
	} {
		cert := loadCert(t, dir, tt.cert)
		verify := func(ca string) error {
			roots := x509.NewCertPool()
			roots.AddCert(loadCert(t, dir, ca))
			_, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
			return err
		}
		if err := verify(tt.ca); err != nil {
			t.Errorf("%s: %v", tt.cert, err)
		}
		if verify(tt.other) == nil {
			t.Errorf("%s passes as one of %s", tt.cert, tt.other)
		}
		if cert.Subject.CommonName != tt.cn || strings.Join(cert.Subject.Organization, ",") != tt.org {
			t.Errorf("%s: subject %s", tt.cert, cert.Subject)
		}
		if got := cert.NotAfter.Sub(now).Round(time.Hour); got != Lifetime {
			t.Errorf("%s is valid for %s", tt.cert, got)
		}
	}
}

func TestEnsureIsIdempotent(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	first := mustEnsure(t, dir, testCluster(), now)
	if len(first.Changed) < 20 {
		t.Errorf("a first run made only %v", first.Changed)
	}
	before := snapshot(t, dir)
	second := mustEnsure(t, dir, testCluster(), now.Add(24*time.Hour))
	if len(second.Changed) != 0 {
		t.Errorf("a second run changed %v", second.Changed)
	}
	after := snapshot(t, dir)
	for name := range before {
		if before[name] != after[name] {
			t.Errorf("%s changed", name)
		}
	}
	if len(before) != len(after) {
		t.Errorf("%d files became %d", len(before), len(after))
	}
}

func TestRenewal(t *testing.T) {
	now := time.Now()
	moved := testCluster()
	moved.Nodes[0].Address = netip.MustParseAddr("10.77.0.99")
	for _, tt := range []struct {
		name    string
		cluster Cluster
		at      time.Time
		prepare func(t *testing.T, dir string)
		want    string // in Changed
		keep    string // must not be in Changed
	}{
		{"31 days left", testCluster(), now.Add(Lifetime - 31*24*time.Hour), nil, "", "renewed"},
		{"29 days left", testCluster(), now.Add(Lifetime - 29*24*time.Hour), nil, "apiserver: renewed, it expires on", "\nca:"},
		{"a node's address moved", moved, now, nil, "nodes/node1/kubelet: renewed, its names no longer fit", "nodes/node2"},
		{"the authority ends", testCluster(), now.Add(CALifetime - 24*time.Hour), nil, "\nca: renewed, it expires on", "sa:"},
		{"another authority", testCluster(), now, func(t *testing.T, dir string) {
			remove(t, dir, "ca.crt", "ca.key")
		}, "admin: renewed, its authority changed", "etcd/server"},
		{"a key is missing", testCluster(), now, func(t *testing.T, dir string) {
			remove(t, dir, "scheduler.key")
		}, "scheduler: made", "admin"},
		{"an authority's certificate is missing", testCluster(), now, func(t *testing.T, dir string) {
			remove(t, dir, "ca.crt")
		}, "\nca: made", "admin"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			mustEnsure(t, dir, testCluster(), now)
			if tt.prepare != nil {
				tt.prepare(t, dir)
			}
			b := mustEnsure(t, dir, tt.cluster, tt.at)
			changed := "\n" + strings.Join(b.Changed, "\n")
			if !strings.Contains(changed, tt.want) {
				t.Errorf("want %q in %s", tt.want, changed)
			}
			if strings.Contains(changed, tt.keep) {
				t.Errorf("%q should have been kept: %s", tt.keep, changed)
			}
			if again := mustEnsure(t, dir, tt.cluster, tt.at); len(again.Changed) != 0 {
				t.Errorf("not settled: %v", again.Changed)
			}
		})
	}
}

func remove(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, n := range names {
		if err := os.Remove(filepath.Join(dir, n)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		want string
		edit func(*Cluster)
	}{
		{"no name", func(c *Cluster) { c.Name = "" }},
		{"no DNS domain", func(c *Cluster) { c.Domain = "" }},
		{`"../x" is no DNS label`, func(c *Cluster) { c.Nodes[0].Name = "../x" }},
		{"node node1 has no address", func(c *Cluster) { c.Nodes[0].Address = netip.Addr{} }},
		{"used twice", func(c *Cluster) { c.Nodes[1].Name = "node1" }},
		{"used twice", func(c *Cluster) { c.Nodes[1].Name = "control" }},
		{"Service kubernetes", func(c *Cluster) { c.ServiceIP = netip.Addr{} }},
	} {
		c := testCluster()
		tt.edit(&c)
		if _, err := Ensure(t.TempDir(), c); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want %q", err, tt.want)
		}
	}
}

func TestEtcdServerIsNoClusterServer(t *testing.T) {
	dir := t.TempDir()
	mustEnsure(t, dir, testCluster(), time.Now())
	cert := loadCert(t, dir, "etcd/server.crt")
	if cert.VerifyHostname(net.IPv4(10, 77, 0, 10).String()) == nil {
		t.Error("etcd listens on loopback only; its certificate needn't say otherwise")
	}
}
