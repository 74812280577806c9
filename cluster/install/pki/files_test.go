package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"noriter.dev/noriter/provision/machine"
)

func TestFilesOfMachines(t *testing.T) {
	b := mustEnsure(t, t.TempDir(), testCluster(), time.Now())
	paths := func(name string) map[string]machine.File {
		files, err := b.Files(name)
		if err != nil {
			t.Fatal(err)
		}
		m := map[string]machine.File{}
		for _, f := range files {
			if len(f.Content) == 0 {
				t.Errorf("%s on %s is empty", f.Path, name)
			}
			if _, twice := m[f.Path]; twice {
				t.Errorf("%s on %s is listed twice", f.Path, name)
			}
			m[f.Path] = f
			private := f.Path == RegistryWriter || strings.HasSuffix(f.Path, ".key") || strings.HasSuffix(f.Path, ".conf") || strings.HasSuffix(f.Path, ".yaml")
			if private != (f.Mode&0o007 == 0) || private && f.Mode != 0o600 && f.Path != ServiceAccountKey {
				t.Errorf("%s on %s has mode %o", f.Path, name, f.Mode)
			}
		}
		return m
	}
	worker := paths("node1")
	want := []string{
		"/etc/kubernetes/kube-proxy.conf", "/etc/kubernetes/kubelet.conf", "/etc/kubernetes/pki/ca.crt",
		"/var/lib/kubelet/pki/kubelet.crt", "/var/lib/kubelet/pki/kubelet.key",
	}
	if got := slices.Sorted(keys(worker)); !slices.Equal(got, want) {
		t.Errorf("a worker gets %v", got)
	}
	control := paths("control")
	for _, p := range append(want,
		"/etc/kubernetes/pki/apiserver.crt", "/etc/kubernetes/pki/sa.pub",
		"/etc/kubernetes/pki/etcd/server.key", "/etc/kubernetes/pki/etcd/ca.crt", "/etc/kubernetes/pki/front-proxy-ca.crt",
		"/etc/noriter/registry/ca.crt", "/etc/noriter/registry/server.crt", "/etc/noriter/registry/server.key",
		"/etc/kubernetes/encryption.yaml", "/etc/kubernetes/admin.conf", "/etc/kubernetes/scheduler.conf",
		"/etc/kubernetes/controller-manager.conf") {
		if _, ok := control[p]; !ok {
			t.Errorf("control lacks %s", p)
		}
	}
	for p, f := range control {
		if strings.HasSuffix(p, "ca.key") || bytes.Contains(f.Content, b.content["ca.key"]) {
			t.Errorf("control gets an authority's key, as %s", p)
		}
	}
	if _, err := b.Files("node9"); err == nil {
		t.Error("a machine that isn't there got files")
	}
}

// TestNoMachineHasMasters looks at all certificates that leave the host.
func TestNoMachineHasMasters(t *testing.T) {
	b := mustEnsure(t, t.TempDir(), testCluster(), time.Now())
	seen := 0
	for _, name := range []string{"control", "node1"} {
		files, err := b.Files(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			for _, cert := range certificatesIn(t, f) {
				seen++
				if slices.Contains(cert.Subject.Organization, "system:masters") {
					t.Errorf("%s of %s is %s", f.Path, name, cert.Subject)
				}
			}
		}
	}
	if seen < 15 {
		t.Errorf("only %d certificates were looked at", seen)
	}
}

// certificatesIn are those of a PEM file or in a kubeconfig.
func certificatesIn(t *testing.T, f machine.File) []*x509.Certificate {
	t.Helper()
	data := f.Content
	if strings.HasSuffix(f.Path, ".conf") {
		cfg, err := clientcmd.RESTConfigFromKubeConfig(data)
		if err != nil {
			t.Fatal(err)
		}
		data = cfg.CertData
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil
	}
	certs, err := x509.ParseCertificates(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return certs
}

func keys(m map[string]machine.File) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func TestAdminKubeconfig(t *testing.T) {
	b := mustEnsure(t, t.TempDir(), testCluster(), time.Now())
	cfg, err := clientcmd.LoadFromFile(b.AdminKubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	if cfg.CurrentContext != "noriter" {
		t.Errorf("context %q", cfg.CurrentContext)
	}
	if got := cfg.Clusters["noriter"].Server; got != "https://10.77.0.10:6443" {
		t.Errorf("server %q", got)
	}
	rest, err := clientcmd.NewDefaultClientConfig(*cfg, nil).ClientConfig()
	if err != nil || len(rest.CertData) == 0 || len(rest.KeyData) == 0 || len(rest.CAData) == 0 {
		t.Errorf("client config %v: %v", rest, err)
	}
}

// TestAdminKubeconfigKeepsItsNamespace: `nori up` and `nori node add` come by while
// a lab has set one.
func TestAdminKubeconfigKeepsItsNamespace(t *testing.T) {
	dir := t.TempDir()
	b := mustEnsure(t, dir, testCluster(), time.Now())
	cfg, err := clientcmd.LoadFromFile(b.AdminKubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Contexts[cfg.CurrentContext].Namespace = "lab-daemonsets"
	if err := clientcmd.WriteToFile(*cfg, b.AdminKubeconfig()); err != nil {
		t.Fatal(err)
	}
	mustEnsure(t, dir, testCluster(), time.Now())
	if cfg, err = clientcmd.LoadFromFile(b.AdminKubeconfig()); err != nil {
		t.Fatal(err)
	}
	if got := cfg.Contexts[cfg.CurrentContext].Namespace; got != "lab-daemonsets" {
		t.Errorf("the namespace became %q", got)
	}
}

func TestPermissions(t *testing.T) {
	dir := t.TempDir()
	mustEnsure(t, dir, testCluster(), time.Now())
	if err := os.Chmod(filepath.Join(dir, "ca.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	mustEnsure(t, dir, testCluster(), time.Now())
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", p, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestGarbageIsNamedAndKept(t *testing.T) {
	for _, tt := range []struct{ file, content, want string }{
		{"ca.crt", "hello", "ca.crt is not a PEM certificate (no PEM block in 5 bytes)"},
		{"ca.key", "", "ca.key is not a PEM private key"},
		{"apiserver.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "apiserver.crt is not a PEM certificate"},
		{"nodes/node1/kubelet.key", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "the PEM block is a CERTIFICATE"},
		{"sa.key", "x", "sa.key can't be used"},
		{"encryption.yaml", "kind: [", "encryption.yaml can't be used"},
		{"encryption.yaml", "kind: EncryptionConfiguration", "no provider for secrets"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			dir := t.TempDir()
			mustEnsure(t, dir, testCluster(), time.Now())
			path := filepath.Join(dir, tt.file)
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Ensure(dir, testCluster())
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "run again") {
				t.Errorf("error %v, want %q and a remedy", err, tt.want)
			}
			if err == nil || !strings.Contains(err.Error(), "`mv ") && !strings.Contains(err.Error(), "`nori ssh ") {
				t.Errorf("error %v, want what to type", err)
			}
			if got, _ := os.ReadFile(path); string(got) != tt.content {
				t.Error("the file was overwritten")
			}
		})
	}
}

// TestOnlyOnesAreNotMadeAnew: with another key for tokens or Secrets a cluster that is
// there would refuse what it gave out itself. One that was interrupted before there
// was an authority is completed.
func TestOnlyOnesAreNotMadeAnew(t *testing.T) {
	for _, file := range []string{"sa.key", "encryption.yaml"} {
		dir := t.TempDir()
		mustEnsure(t, dir, testCluster(), time.Now())
		remove(t, dir, file)
		_, err := Ensure(dir, testCluster())
		if err == nil || !strings.Contains(err.Error(), "`nori ssh --name ") || !strings.Contains(err.Error(), "/"+file+" > ") {
			t.Errorf("%s is missing: %v; want what to type", file, err)
		}
		if _, err := os.Stat(filepath.Join(dir, file)); err == nil {
			t.Errorf("%s was made anew", file)
		}
		for _, ending := range []string{".crt", ".key"} {
			remove(t, dir, clusterCA+ending)
		}
		mustEnsure(t, dir, testCluster(), time.Now())
	}
}

func TestAuthorityWithoutKeyIsAnError(t *testing.T) {
	dir := t.TempDir()
	mustEnsure(t, dir, testCluster(), time.Now())
	remove(t, dir, "ca.key")
	if _, err := Ensure(dir, testCluster()); err == nil || !strings.Contains(err.Error(), "ca.key is missing") {
		t.Errorf("error %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	f.Add([]byte("-----BEGIN EC PRIVATE KEY-----\n\n-----END EC PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if cert, err := parseCert(data); (cert == nil) == (err == nil) {
			t.Errorf("certificate %v, error %v", cert, err)
		}
		if key, err := parseKey(data); (key == nil) == (err == nil) {
			t.Errorf("key %v, error %v", key, err)
		}
	})
}
