package server

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	criclient "k8s.io/cri-client/pkg"
)

// fakeCRI is a container runtime at the end of a real socket.
type fakeCRI struct {
	cri.UnimplementedRuntimeServiceServer
	cri.UnimplementedImageServiceServer

	mu        sync.Mutex
	streamURL string
	logs      map[string]string // path by container ID
	exited    map[string]bool
	execs     []*cri.ExecRequest
	attaches  []*cri.AttachRequest
	reopened  []string
	asked     map[string]int // how often a container's status was, by container ID
}

func (f *fakeCRI) Version(context.Context, *cri.VersionRequest) (*cri.VersionResponse, error) {
	return &cri.VersionResponse{RuntimeName: "containerd", RuntimeVersion: "1.7.24", RuntimeApiVersion: "v1"}, nil
}

func (f *fakeCRI) Exec(_ context.Context, r *cri.ExecRequest) (*cri.ExecResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.ContainerId == "gone" {
		return nil, status.Error(codes.NotFound, `container "gone" not found`)
	}
	f.execs = append(f.execs, r)
	return &cri.ExecResponse{Url: f.streamURL + "/exec/token"}, nil
}

func (f *fakeCRI) Attach(_ context.Context, r *cri.AttachRequest) (*cri.AttachResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.attaches = append(f.attaches, r)
	return &cri.AttachResponse{Url: f.streamURL + "/attach/token"}, nil
}

func (f *fakeCRI) PortForward(_ context.Context, r *cri.PortForwardRequest) (*cri.PortForwardResponse, error) {
	return &cri.PortForwardResponse{Url: f.streamURL + "/portforward/" + r.PodSandboxId}, nil
}

func (f *fakeCRI) ExecSync(_ context.Context, r *cri.ExecSyncRequest) (*cri.ExecSyncResponse, error) {
	return &cri.ExecSyncResponse{Stdout: []byte(fmt.Sprint(r.Cmd))}, nil
}

func (f *fakeCRI) ListPodSandbox(_ context.Context, r *cri.ListPodSandboxRequest) (*cri.ListPodSandboxResponse, error) {
	if r.GetFilter().GetLabelSelector()["io.kubernetes.pod.uid"] != "uid-web" {
		return &cri.ListPodSandboxResponse{}, nil
	}
	return &cri.ListPodSandboxResponse{Items: []*cri.PodSandbox{{Id: "sandbox-old", CreatedAt: 1}, {Id: "sandbox-new", CreatedAt: 2}}}, nil
}

func (f *fakeCRI) ListContainers(context.Context, *cri.ListContainersRequest) (*cri.ListContainersResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := &cri.ListContainersResponse{}
	for id := range f.logs {
		out.Containers = append(out.Containers, &cri.Container{Id: id})
	}
	return out, nil
}

func (f *fakeCRI) ContainerStatus(_ context.Context, r *cri.ContainerStatusRequest) (*cri.ContainerStatusResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asked == nil {
		f.asked = map[string]int{}
	}
	f.asked[r.ContainerId]++
	path, ok := f.logs[r.ContainerId]
	if !ok {
		return nil, status.Errorf(codes.NotFound, "an error occurred when try to find container %q: not found", r.ContainerId)
	}
	state := cri.ContainerState_CONTAINER_RUNNING
	if f.exited[r.ContainerId] {
		state = cri.ContainerState_CONTAINER_EXITED
	}
	// The client insists on what every container has.
	return &cri.ContainerStatusResponse{Status: &cri.ContainerStatus{Id: r.ContainerId, LogPath: path, State: state, CreatedAt: 1,
		Metadata: &cri.ContainerMetadata{Name: "main"}, Image: &cri.ImageSpec{Image: "busybox"}, ImageRef: "busybox"}}, nil
}

func (f *fakeCRI) ReopenContainerLog(_ context.Context, r *cri.ReopenContainerLogRequest) (*cri.ReopenContainerLogResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reopened = append(f.reopened, r.ContainerId)
	if r.ContainerId == "stubborn" {
		return nil, status.Error(codes.Internal, "no")
	}
	return &cri.ReopenContainerLogResponse{}, os.WriteFile(f.logs[r.ContainerId], nil, 0o600)
}

func (f *fakeCRI) ListPodSandboxStats(context.Context, *cri.ListPodSandboxStatsRequest) (*cri.ListPodSandboxStatsResponse, error) {
	u := func(n uint64) *cri.UInt64Value { return &cri.UInt64Value{Value: n} }
	at := time.Unix(1_800_000_000, 0).UnixNano()
	return &cri.ListPodSandboxStatsResponse{Stats: []*cri.PodSandboxStats{{
		Attributes: &cri.PodSandboxAttributes{Id: "s", Metadata: &cri.PodSandboxMetadata{Name: "web", Namespace: "default", Uid: "uid-web"}},
		Linux: &cri.LinuxPodSandboxStats{
			Cpu:    &cri.CpuUsage{Timestamp: at, UsageCoreNanoSeconds: u(2_500_000_000)},
			Memory: &cri.MemoryUsage{Timestamp: at, WorkingSetBytes: u(4096)},
			Containers: []*cri.ContainerStats{{
				Attributes: &cri.ContainerAttributes{Metadata: &cri.ContainerMetadata{Name: "main"}},
				Cpu:        &cri.CpuUsage{Timestamp: at, UsageCoreNanoSeconds: u(1_500_000_000), UsageNanoCores: u(7)},
				Memory:     &cri.MemoryUsage{Timestamp: at, WorkingSetBytes: u(2048)},
			}},
		},
	}}}, nil
}

func (f *fakeCRI) ImageFsInfo(context.Context, *cri.ImageFsInfoRequest) (*cri.ImageFsInfoResponse, error) {
	return &cri.ImageFsInfoResponse{ImageFilesystems: []*cri.FilesystemUsage{{
		FsId: &cri.FilesystemIdentifier{Mountpoint: "/"}, UsedBytes: &cri.UInt64Value{Value: 77}, InodesUsed: &cri.UInt64Value{Value: 7}}}}, nil
}

// fakePods is the agent.
type fakePods []*v1.Pod

func (f fakePods) List() []*v1.Pod { return f }

func (f fakePods) Get(namespace, name string) (*v1.Pod, bool) {
	for _, p := range f {
		if p.Namespace == namespace && p.Name == name {
			return p, true
		}
	}
	return nil, false
}

// bench is a whole server, reached over TLS.
type bench struct {
	url    string
	cri    *fakeCRI
	client *fake.Clientset
	ca     *authority
	pods   *fakePods
	server *Server
}

func newBench(t *testing.T) *bench {
	t.Helper()
	dir := t.TempDir()
	b := &bench{cri: &fakeCRI{logs: map[string]string{}, exited: map[string]bool{}}, client: fake.NewClientset(), ca: newAuthority(t), pods: &fakePods{webPod()}}
	b.cri.streamURL = echoStream(t)
	endpoint := serveCRI(t, filepath.Join(dir, "cri.sock"), b.cri)
	runtime, err := criclient.NewRemoteRuntimeServiceBuilder().WithEndpoint(endpoint).WithConnectionTimeout(5 * time.Second).Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	images, err := criclient.NewRemoteImageServiceBuilder().WithEndpoint(endpoint).WithConnectionTimeout(5 * time.Second).Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	caFile := filepath.Join(dir, "ca.crt")
	if err := os.WriteFile(caFile, b.ca.pem(), 0o600); err != nil {
		t.Fatal(err)
	}
	b.server, err = New(Config{NodeName: "node1", ClientCAFile: caFile, CertDir: filepath.Join(dir, "pki"), RootDir: dir,
		Client: b.client, Pods: b.pods, Runtime: runtime, Images: images})
	if err != nil {
		t.Fatal(err)
	}
	cert, err := newKeyPair("", "", filepath.Join(dir, "pki"), "node1")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.url = "https://" + listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.server.serve(ctx, listener, cert) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("server: %v", err)
		}
	})
	return b
}

func webPod() *v1.Pod {
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web", UID: "uid-web"},
		Spec: v1.PodSpec{Containers: []v1.Container{{Name: "main"}, {Name: "tty", TTY: true}, {Name: "slow"}},
			InitContainers: []v1.Container{{Name: "init"}}},
		Status: v1.PodStatus{
			ContainerStatuses: []v1.ContainerStatus{
				{Name: "main", ContainerID: "containerd://c1", State: v1.ContainerState{Running: &v1.ContainerStateRunning{}}},
				{Name: "tty", ContainerID: "containerd://c2", State: v1.ContainerState{Running: &v1.ContainerStateRunning{}}},
				{Name: "slow", State: v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: "ContainerCreating"}}},
			},
		},
	}
}

func serveCRI(t *testing.T, path string, f *fakeCRI) string {
	t.Helper()
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	cri.RegisterRuntimeServiceServer(server, f)
	cri.RegisterImageServiceServer(server, f)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return "unix://" + path
}

// echoStream is the runtime's streaming server: it takes any upgrade, says which
// path was asked for, and sends back what comes.
func echoStream(t *testing.T) string {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n%s\n", r.URL.Path)
		if rw.Flush() != nil {
			return
		}
		line, err := rw.ReadString('\n')
		if err == nil {
			fmt.Fprintf(conn, "echo %s", line)
		}
	}))
	t.Cleanup(web.Close)
	return web.URL
}

// authority signs client certificates.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t)}
	a.cert = a.sign(&x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}, nil, &a.key.PublicKey)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) sign(template, parent *x509.Certificate, public *ecdsa.PublicKey) *x509.Certificate {
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// client makes a certificate for a user.
func (a *authority) client(user string, usage x509.ExtKeyUsage, groups ...string) *tls.Certificate {
	key := newKey(a.t)
	cert := a.sign(&x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: user, Organization: groups},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{usage}}, a.cert, &key.PublicKey)
	return &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

func (a *authority) admin() *tls.Certificate {
	return a.client("kube-apiserver-kubelet-client", x509.ExtKeyUsageClientAuth, masters)
}

func tlsConfig(cert *tls.Certificate) *tls.Config {
	config := &tls.Config{InsecureSkipVerify: true} // the node's certificate is its own
	if cert != nil {
		config.Certificates = []tls.Certificate{*cert}
	}
	return config
}

func webClient(cert *tls.Certificate) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: tlsConfig(cert), DisableKeepAlives: true}, Timeout: 20 * time.Second}
}

// upgrade asks for a stream, and gives the response and what follows it.
func (b *bench) upgrade(t *testing.T, path string) (*http.Response, *bufio.Reader, net.Conn) {
	t.Helper()
	conn, err := tls.Dial("tcp", b.url[len("https://"):], tlsConfig(b.ca.admin()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: node\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\nContent-Length: 0\r\n\r\n", path)
	r := bufio.NewReader(conn)
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return response, r, conn
}
