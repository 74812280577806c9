// Package server is the node's own HTTPS API, on port 10250: what kubectl logs,
// exec, attach and port-forward reach through the API server, and what reports how
// much the pods of this node use.
//
// It holds no state. Which containers there are it asks the agent, everything
// else the container runtime: exec, attach and port-forward are streams that the
// runtime serves, and this server only checks who asks, asks the runtime for the
// address of the stream, and passes the bytes on.
package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	criapi "k8s.io/cri-api/pkg/apis"
	"k8s.io/utils/clock"
)

const (
	// defaultAddress is where the API server looks for a node's API.
	defaultAddress = ":10250"
	// defaultCertDir is where a serving certificate is made if none is given.
	defaultCertDir = "/var/lib/kubelet/pki"
	// defaultClientCA signs those who may ask.
	defaultClientCA = "/etc/kubernetes/pki/ca.crt"

	// shutdownLimit is how long requests under way may take when the agent stops.
	shutdownLimit = 2 * time.Second
	// headerLimit is how long a client may take to say what it wants.
	headerLimit = 30 * time.Second
)

// Pods is what the server asks the agent.
type Pods interface {
	// Get finds a pod of this node. Its status is the agent's own latest, which
	// the API server may not have yet.
	Get(namespace, name string) (*v1.Pod, bool)
	// List gives all pods of this node.
	List() []*v1.Pod
}

// Config is what a Server needs.
type Config struct {
	// Address to listen on; empty means defaultAddress.
	Address string
	// CertFile and KeyFile hold the serving certificate (PEM). They are read
	// again when they change. If both are empty, a self-signed one is kept in
	// CertDir (empty: defaultCertDir), as the kubelet does.
	CertFile, KeyFile, CertDir string
	// ClientCAFile holds the authorities (PEM) of client certificates; empty
	// means defaultClientCA.
	ClientCAFile string
	// NodeName is the name of this machine's Node.
	NodeName string
	// Client reviews tokens and access.
	Client kubernetes.Interface
	Pods   Pods
	// Runtime and Images are the two halves of CRI.
	Runtime criapi.RuntimeService
	Images  criapi.ImageManagerService
	// RootDir is the agent's directory, whose file system the stats are about.
	RootDir string
	// Clock is the time source; nil means the real one.
	Clock clock.Clock
}

// Server serves a node's API (Server in pkg/kubelet/server/server.go).
type Server struct {
	cfg     Config
	clients *x509.CertPool
	reviews *reviews
	mux     *http.ServeMux
	usage   usage
}

// New prepares a server. It fails if the authorities of clients can't be read.
func New(cfg Config) (*Server, error) {
	if cfg.Address == "" {
		cfg.Address = defaultAddress
	}
	if cfg.CertDir == "" {
		cfg.CertDir = defaultCertDir
	}
	if cfg.ClientCAFile == "" {
		cfg.ClientCAFile = defaultClientCA
	}
	if cfg.RootDir == "" {
		cfg.RootDir = "/var/lib/kubelet"
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.RealClock{}
	}
	pem, err := os.ReadFile(cfg.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("reading the authorities of clients (--client-ca-file): %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM; --client-ca-file must name the cluster's CA", cfg.ClientCAFile)
	}
	s := &Server{cfg: cfg, clients: pool, reviews: newReviews(cfg.Client, cfg.Clock)}
	s.usage = usage{cfg: &s.cfg}
	s.mux = s.routes()
	return s, nil
}

// routes is the whole API.
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, path := range []string{"/healthz", "/healthz/ping", "/healthz/log", "/healthz/syncloop"} {
		mux.HandleFunc("GET "+path, s.healthz)
	}
	mux.HandleFunc("GET /pods", s.pods)
	mux.HandleFunc("GET /pods/", s.pods)
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", s.containerLogs)
	mux.HandleFunc("/exec/{namespace}/{pod}/{container}", s.exec)
	mux.HandleFunc("/exec/{namespace}/{pod}/{uid}/{container}", s.exec)
	mux.HandleFunc("/attach/{namespace}/{pod}/{container}", s.attach)
	mux.HandleFunc("/attach/{namespace}/{pod}/{uid}/{container}", s.attach)
	mux.HandleFunc("/portForward/{namespace}/{pod}", s.portForward)
	mux.HandleFunc("/portForward/{namespace}/{pod}/{uid}", s.portForward)
	mux.HandleFunc("POST /run/{namespace}/{pod}/{container}", s.run)
	mux.HandleFunc("POST /run/{namespace}/{pod}/{uid}/{container}", s.run)
	mux.HandleFunc("GET /stats/summary", s.statsSummary)
	mux.HandleFunc("GET /metrics/resource", s.metricsResource)
	return mux
}

// Run listens until ctx is done.
func (s *Server) Run(ctx context.Context) error {
	cert, err := newKeyPair(s.cfg.CertFile, s.cfg.KeyFile, s.cfg.CertDir, s.cfg.NodeName)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.cfg.Address)
	if err != nil {
		return fmt.Errorf("listening for the node's API on %s: %w", s.cfg.Address, err)
	}
	return s.serve(ctx, listener, cert)
}

func (s *Server) serve(ctx context.Context, listener net.Listener, cert *keyPair) error {
	web := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerLimit,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
		TLSConfig: &tls.Config{
			MinVersion:     tls.VersionTLS12,
			GetCertificate: cert.get,
			// Whom to trust is decided per request, so that the answer to a
			// stranger is a readable "Unauthorized".
			ClientAuth: tls.RequestClientCert,
		},
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownLimit)
		defer cancel()
		err := web.Shutdown(stop)
		if errors.Is(err, context.DeadlineExceeded) {
			err = web.Close() // somebody follows a log
		}
		stopped <- err
	}()
	if err := web.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the node's API: %w", err)
	}
	return <-stopped
}

// ServeHTTP lets through who is known and allowed. Nothing here is open to all: whoever may
// exec into any container of a node has the node.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	who, ok := s.authenticate(r)
	if !ok {
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
		return
	}
	if !s.authorize(w, r, who) {
		return
	}
	s.mux.ServeHTTP(w, r)
}

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	_, _ = w.Write([]byte("ok"))
}

// pods lists the pods of this node as the agent knows them.
func (s *Server) pods(w http.ResponseWriter, _ *http.Request) {
	list := v1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, Items: []v1.Pod{}}
	for _, pod := range s.cfg.Pods.List() {
		list.Items = append(list.Items, *pod)
	}
	writeJSON(w, list)
}

func writeJSON(w http.ResponseWriter, value any) {
	data, err := json.Marshal(value)
	if err != nil {
		http.Error(w, "encoding the answer: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(data)
}
