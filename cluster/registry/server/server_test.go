package server

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/random"

	"noriter.dev/noriter/cluster/images"
	"noriter.dev/noriter/cluster/registry"
)

// start runs both registries on free ports and returns a client which finds
// them behind their names, and the private one's port.
func start(t *testing.T) (*registry.Client, map[string]string) {
	t.Helper()
	dir := t.TempDir()
	ca := writePair(t, dir)
	o := Options{
		DataDir: filepath.Join(dir, "data"), CertFile: filepath.Join(dir, "s.crt"), KeyFile: filepath.Join(dir, "s.key"), HtpasswdFile: filepath.Join(dir, "htpasswd"),
		OpenAddress: freeAddress(t), PrivateAddress: freeAddress(t),
	}
	o.WriterFile, o.Quota = filepath.Join(dir, "writer"), testQuota
	for path, content := range map[string]string{
		o.HtpasswdFile: registry.Htpasswd, o.WriterFile: fmt.Sprintf("nori:%x\n", sha256.Sum256([]byte("secret"))),
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, o) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	at := map[string]string{"5000": o.OpenAddress, "5443": o.PrivateAddress}
	for _, address := range at {
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			conn, err := net.Dial("tcp", address)
			if err == nil {
				conn.Close()
				break
			}
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
	}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, _ := net.SplitHostPort(address)
		return (&net.Dialer{}).DialContext(ctx, network, at[port])
	}
	return &registry.Client{Address: "127.0.0.1", Dial: dial, CA: ca, Writer: "nori", WriterPassword: "secret"}, at
}

// tlsTo dials one address, whatever the name.
func tlsTo(address string, roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func writePair(t *testing.T, dir string) (ca []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, DNSNames: []string{images.RegistryHost},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err1 := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	secret, err2 := x509.MarshalPKCS8PrivateKey(key)
	ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	err3 := os.WriteFile(filepath.Join(dir, "s.crt"), ca, 0o600)
	err4 := os.WriteFile(filepath.Join(dir, "s.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestPushAndList(t *testing.T) {
	client, at := start(t)
	image, err := random.Image(1024, 2)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{images.OpenRegistry + "/team/a:v1", images.OpenRegistry + "/team/a:v2", images.PrivateRegistry + "/team/b:v1"}
	for _, again := range []bool{false, true} {
		for _, name := range names {
			if sent, err := client.Push(t.Context(), name, image); err != nil || sent == again {
				t.Fatalf("%s: sent %v, %v", name, sent, err)
			}
		}
	}
	tags, err := client.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, tag := range tags {
		got = append(got, tag.Ref)
	}
	if fmt.Sprint(got) != fmt.Sprint(names) {
		t.Errorf("got %v, want %v", got, names)
	}
	if _, err := client.Push(t.Context(), "elsewhere.test/a:v1", image); err == nil {
		t.Error("pushed to a registry that is not the testbed's")
	}
	// What is in the private one can't be had through the open one.
	resp, err := http.Get("http://" + at["5000"] + "/v2/team/b/tags/list")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("the open registry answers %s for what is in the private one", resp.Status)
	}
}

func TestPrivateWantsPasswordAndHTTPS(t *testing.T) {
	client, at := start(t)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(client.CA)
	trusting := &http.Client{Transport: tlsTo(at["5443"], roots)}
	for password, want := range map[string]int{"": http.StatusUnauthorized, "wrong": http.StatusUnauthorized, registry.Password: http.StatusOK} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+images.PrivateRegistry+"/v2/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if password != "" {
			req.SetBasicAuth(registry.User, password)
		}
		resp, err := trusting.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("password %q: %s", password, resp.Status)
		}
	}
	untrusting := &http.Client{Transport: tlsTo(at["5443"], x509.NewCertPool())}
	if _, err := untrusting.Get("https://" + images.PrivateRegistry + "/v2/"); err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
		t.Errorf("without its authority: %v", err)
	}
	if _, err := http.Get("https://" + at["5000"] + "/v2/"); err == nil || !strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		t.Errorf("HTTPS to the open one: %v", err)
	}
}

func TestArchiveIsRead(t *testing.T) {
	if err := registry.Archive(filepath.Join(t.TempDir(), "absent.tar"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	bad := filepath.Join(t.TempDir(), "bad.tar")
	if err := os.WriteFile(bad, bytes.Repeat([]byte("x"), 1024), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := registry.Archive(bad, nil); err == nil {
		t.Error("garbage is an archive")
	}
}

func TestRunSaysWhatItCannotUse(t *testing.T) {
	writer := filepath.Join(t.TempDir(), "writer")
	if err := os.WriteFile(writer, []byte("nori:"+strings.Repeat("0", 64)), 0o600); err != nil {
		t.Fatal(err)
	}
	err := Run(t.Context(), Options{WriterFile: writer, Quota: 1, DataDir: t.TempDir(), OpenAddress: "127.0.0.1:0", PrivateAddress: "127.0.0.1:0", HtpasswdFile: "/proc/absent/htpasswd"})
	if err == nil || !strings.Contains(err.Error(), "registry private") {
		t.Errorf("got %v", err)
	}
}
