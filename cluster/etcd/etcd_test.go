package etcd

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sys/unix"

	"noriter.dev/noriter/cluster/install/pki"
)

// testOptions are those of a server on loopback with fresh certificates.
func testOptions(t *testing.T) Options {
	t.Helper()
	dir := t.TempDir()
	certs := filepath.Join(dir, "pki")
	_, err := pki.Ensure(certs, pki.Cluster{
		Name: "test", ControlName: "control", ControlAddress: netip.MustParseAddr("127.0.0.1"),
		ServiceIP: netip.MustParseAddr("10.96.0.1"), Domain: "cluster.local",
	})
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Name: "control", DataDir: filepath.Join(dir, "data"),
		ClientURL: "https://" + freeAddress(t), PeerURL: "https://" + freeAddress(t), MetricsURL: "http://" + freeAddress(t),
		CertFile: filepath.Join(certs, "etcd/server.crt"), KeyFile: filepath.Join(certs, "etcd/server.key"),
		TrustedCAFile: filepath.Join(certs, "etcd/ca.crt"), QuotaBytes: 64 << 20, UnsafeNoFsync: true,
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

// dial makes a client that shows the certificate of that name, if any.
func dial(t *testing.T, o Options, cert string) *clientv3.Client {
	t.Helper()
	info := transport.TLSInfo{TrustedCAFile: o.TrustedCAFile}
	if cert != "" {
		dir := filepath.Dir(filepath.Dir(o.CertFile))
		info.CertFile, info.KeyFile = filepath.Join(dir, cert+".crt"), filepath.Join(dir, cert+".key")
	}
	tls, err := info.ClientConfig()
	if err != nil {
		t.Fatal(err)
	}
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{o.ClientURL}, TLS: tls})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestDataOutlivesTheServer(t *testing.T) {
	o := testOptions(t)
	began := time.Now()
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ready after %s", time.Since(began).Round(time.Millisecond))
	c := dial(t, o, "apiserver-etcd-client")
	if _, err := c.Put(t.Context(), "/registry/a", "b"); err != nil {
		t.Fatal(err)
	}
	c.Watch(t.Context(), "/registry") // a client that doesn't hang up
	began = time.Now()
	s.Close()
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("stopping took %s", took)
	}
	again, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	got, err := dial(t, o, "etcd/healthcheck-client").Get(t.Context(), "/registry/a")
	if err != nil || len(got.Kvs) != 1 || string(got.Kvs[0].Value) != "b" {
		t.Errorf("after the restart: %v, %v", got, err)
	}
}

func TestOnlyItsOwnAuthorityOpensTheDoor(t *testing.T) {
	o := testOptions(t)
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	// "admin" is a certificate of the cluster's authority, not of etcd's.
	for _, cert := range []string{"", "admin"} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if _, err := dial(t, o, cert).Get(ctx, "a"); err == nil {
			t.Errorf("a client with certificate %q was served", cert)
		}
		cancel()
	}
}

// held keeps a lock until the test process ends: the server that waits for it
// must not wake up in a folder that is being removed.
var held *os.File

func TestItWaitsForItsPredecessorOnlySoLong(t *testing.T) {
	o := testOptions(t)
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if held, err = os.OpenFile(filepath.Join(o.DataDir, "member", "snap", "db"), os.O_RDWR, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(held.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := Start(ctx, o); err == nil || !strings.Contains(err.Error(), o.DataDir) {
		t.Errorf("a server on data that are in use: %v", err)
	}
}

func TestValidate(t *testing.T) {
	good := testOptions(t)
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		edit func(*Options)
		want string
	}{
		{func(o *Options) { o.ClientURL = "http://127.0.0.1:2379" }, "--listen-client-urls=http://127.0.0.1:2379: want https://ADDRESS:PORT"},
		{func(o *Options) { o.PeerURL = "https://127.0.0.1" }, "--listen-peer-urls"},
		{func(o *Options) { o.MetricsURL = "::" }, "--listen-metrics-urls"},
		{func(o *Options) { o.KeyFile = "/nonexistent" }, "--key-file: stat /nonexistent"},
		{func(o *Options) { o.QuotaBytes = 1 }, "--quota-backend-bytes=1"},
	} {
		o := good
		tt.edit(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want %q", err, tt.want)
		}
	}
}

func TestFlagsHaveEtcdsNames(t *testing.T) {
	var o Options
	fs := pflag.NewFlagSet("etcd", pflag.ContinueOnError)
	o.AddFlags(fs)
	if err := fs.Parse([]string{"--data-dir=/d", "--listen-metrics-urls="}); err != nil {
		t.Fatal(err)
	}
	if o.DataDir != "/d" || o.MetricsURL != "" || o.ClientURL != "https://127.0.0.1:2379" || o.TrustedCAFile != "/etc/kubernetes/pki/etcd/ca.crt" {
		t.Errorf("options %+v", o)
	}
}

func TestRunRefusesAKeyOfAnotherCertificate(t *testing.T) {
	o := testOptions(t)
	o.CertFile = o.TrustedCAFile
	if err := Run(t.Context(), o); err == nil {
		t.Error("etcd ran with a key that isn't the certificate's")
	}
}
