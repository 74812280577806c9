// Package apiservertest runs a real etcd and a real API server inside a test,
// on loopback, with certificates of their own and in a folder that goes away
// with the test. It is up in about a second, but heavy to compile: prefer
// client-go's fake clientset where its simplifications don't matter (it has no
// defaulting, validation, conflicts or admission).
package apiservertest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/grpclog"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"noriter.dev/noriter/cluster/apiserver"
	"noriter.dev/noriter/cluster/etcd"
	"noriter.dev/noriter/cluster/install/pki"
)

func init() {
	// A test ends with connections that find nobody any more; that is no news.
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, os.Stderr))
}

// AdvertiseAddress is where the Service "kubernetes" leads to in tests; nobody
// is there (RFC 5737).
const AdvertiseAddress = "192.0.2.10"

// Cluster is a running store and API server. The control node is named
// "control", and there are identities for node1 and node2.
type Cluster struct {
	// Admin is the configuration of admin.conf, which may do everything.
	Admin *rest.Config
	// Dir is where the certificates, the data and the audit log are, under
	// the paths that they have on a control node.
	Dir string

	t      testing.TB
	bundle *pki.Bundle
	etcd   etcd.Options
	api    apiserver.Options
	server *apiserver.Server
}

// StartForTest starts both and stops them when the test ends. Further changes
// to the options come from edit.
func StartForTest(t testing.TB, edit ...func(*apiserver.Options)) *Cluster {
	t.Helper()
	c := &Cluster{t: t, Dir: t.TempDir()}
	c.writeFiles()
	store, err := etcd.Start(context.Background(), c.etcdOptions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	c.api = c.apiOptions()
	for _, e := range edit {
		e(&c.api)
	}
	c.startServer()
	t.Cleanup(func() { c.server.Close() })
	return c
}

// Restart stops the API server and starts another one on the same store.
func (c *Cluster) Restart() {
	c.t.Helper()
	c.server.Close()
	c.startServer()
}

func (c *Cluster) startServer() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	server, err := apiserver.Start(context.Background(), c.api)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := server.WaitReady(ctx); err != nil {
		server.Close()
		c.t.Fatal(err)
	}
	c.server = server
	c.Admin = c.As("control", "admin.conf")
}

// As is the identity in a kubeconfig of a machine: ("node1", "kubelet.conf"),
// ("control", "scheduler.conf").
func (c *Cluster) As(machine, kubeconfig string) *rest.Config {
	c.t.Helper()
	files, err := c.bundle.Files(machine)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, f := range files {
		if f.Path != filepath.Join(pki.Dir, kubeconfig) {
			continue
		}
		cfg, err := clientcmd.RESTConfigFromKubeConfig(f.Content)
		if err != nil {
			c.t.Fatal(err)
		}
		cfg.Host = c.URL()
		cfg.QPS = -1
		return cfg
	}
	c.t.Fatalf("%s has no %s", machine, kubeconfig)
	return nil
}

// Anonymous is a configuration without any identity.
func (c *Cluster) Anonymous() *rest.Config {
	return &rest.Config{Host: c.URL(), TLSClientConfig: rest.TLSClientConfig{CAFile: c.path("etc/kubernetes/pki/ca.crt")}}
}

// URL is the server's.
func (c *Cluster) URL() string {
	_, port, err := net.SplitHostPort(c.server.Address())
	if err != nil {
		c.t.Fatal(err)
	}
	return "https://127.0.0.1:" + port
}

// Raw reads a key as it lies in etcd.
func (c *Cluster) Raw(ctx context.Context, key string) []byte {
	c.t.Helper()
	tls, err := transport.TLSInfo{
		CertFile: c.path("etc/kubernetes/pki/apiserver-etcd-client.crt"), KeyFile: c.path("etc/kubernetes/pki/apiserver-etcd-client.key"),
		TrustedCAFile: c.etcd.TrustedCAFile,
	}.ClientConfig()
	if err != nil {
		c.t.Fatal(err)
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{c.etcd.ClientURL}, TLS: tls})
	if err != nil {
		c.t.Fatal(err)
	}
	defer client.Close()
	resp, err := client.Get(ctx, key)
	if err != nil {
		c.t.Fatal(err)
	}
	if len(resp.Kvs) == 0 {
		c.t.Fatalf("etcd has no key %s", key)
	}
	return resp.Kvs[0].Value
}

// path is a path on the control node, in the test's folder.
func (c *Cluster) path(p string) string { return filepath.Join(c.Dir, p) }

// writeFiles lays the control node's files down.
func (c *Cluster) writeFiles() {
	c.t.Helper()
	b, err := pki.Ensure(c.path("pki"), pki.Cluster{
		Name: "test", ControlName: "control", ControlAddress: netip.MustParseAddr("127.0.0.1"),
		Nodes: []pki.Node{
			{Name: "node1", Address: netip.MustParseAddr("192.0.2.11")}, {Name: "node2", Address: netip.MustParseAddr("192.0.2.12")},
		},
		ServiceIP: netip.MustParseAddr("10.96.0.1"), Domain: "cluster.local",
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.bundle = b
	files, err := b.Files("control")
	if err != nil {
		c.t.Fatal(err)
	}
	for _, f := range files {
		path := c.path(f.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			c.t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Content, f.Mode); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *Cluster) etcdOptions() etcd.Options {
	certs := c.path("etc/kubernetes/pki/etcd")
	c.etcd = etcd.Options{
		Name: "control", DataDir: c.path("var/lib/etcd"),
		ClientURL: "https://" + freeAddress(c.t), PeerURL: "https://" + freeAddress(c.t),
		CertFile: filepath.Join(certs, "server.crt"), KeyFile: filepath.Join(certs, "server.key"),
		TrustedCAFile: filepath.Join(certs, "ca.crt"),
		UnsafeNoFsync: true, // the test's data needn't outlive the power
	}
	return c.etcd
}

func (c *Cluster) apiOptions() apiserver.Options {
	certs := func(name string) string { return c.path(filepath.Join("etc/kubernetes/pki", name)) }
	return apiserver.Options{
		BindAddress: "127.0.0.1", AdvertiseAddress: AdvertiseAddress,
		CertFile: certs("apiserver.crt"), KeyFile: certs("apiserver.key"),
		EtcdServers: []string{c.etcd.ClientURL}, EtcdCAFile: certs("etcd/ca.crt"),
		EtcdCertFile: certs("apiserver-etcd-client.crt"), EtcdKeyFile: certs("apiserver-etcd-client.key"),
		EncryptionConfig: c.path("etc/kubernetes/encryption.yaml"),
		ClientCAFile:     certs("ca.crt"), RequestHeaderCAFile: certs("front-proxy-ca.crt"),
		ProxyClientCertFile: certs("front-proxy-client.crt"), ProxyClientKeyFile: certs("front-proxy-client.key"),
		ServiceAccountKeyFiles: []string{certs("sa.pub")}, ServiceAccountSigningKeyFile: certs("sa.key"),
		KubeletCAFile: certs("ca.crt"), KubeletCertFile: certs("apiserver-kubelet-client.crt"), KubeletKeyFile: certs("apiserver-kubelet-client.key"),
		AuditPolicyFile: c.path("none"), AuditLogPath: c.AuditLog(),
	}
}

// AuditLog is the path of the audit log.
func (c *Cluster) AuditLog() string { return c.path("var/log/kubernetes/audit.log") }

// freeAddress finds a port of loopback that nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(fmt.Errorf("finding a free port: %w", err))
	}
	defer l.Close()
	return l.Addr().String()
}
