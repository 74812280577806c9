package ingress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"

	"noriter.dev/noriter/cluster/component"
)

// apiLimit is how long the API server may take to answer at the start.
const apiLimit = 2 * time.Minute

// Options are the controller's flags.
type Options struct {
	// Kubeconfig is the way to the API server; empty is a pod's own.
	Kubeconfig string
	// Nginx is the program.
	Nginx string
	// Health is where /healthz is answered.
	Health string
	// PodName, PodNamespace and PodUID name the pod that it runs in.
	PodName, PodNamespace, PodUID string
}

// DefaultOptions are what the image needs.
func DefaultOptions() Options {
	return Options{Nginx: "/usr/sbin/nginx", Health: ":10254", PodNamespace: Namespace}
}

// AddFlags is for component.Command.
func (o *Options) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig, "kubeconfig file (default: the pod's service account)")
	f.StringVar(&o.Nginx, "nginx", o.Nginx, "nginx program")
	f.StringVar(&o.Health, "health-address", o.Health, "address to answer /healthz on")
	f.StringVar(&o.PodName, "pod-name", o.PodName, "name of the pod this runs in")
	f.StringVar(&o.PodNamespace, "pod-namespace", o.PodNamespace, "namespace of the pod this runs in")
	f.StringVar(&o.PodUID, "pod-uid", o.PodUID, "UID of the pod this runs in")
}

// Validate is for component.Command.
func (o *Options) Validate() error {
	if o.PodName == "" || o.PodNamespace == "" {
		return errors.New("--pod-name and --pod-namespace must say which pod this is")
	}
	return nil
}

// Run is the controller: until ctx ends, or nginx does.
func Run(ctx context.Context, o Options) error {
	config, err := component.ClientConfig(o.Kubeconfig, eventSource)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client of the API: %w", err)
	}
	if err := component.WaitForAPI(ctx, client.Discovery(), apiLimit); err != nil {
		return err
	}
	events := record.NewBroadcaster(record.WithContext(ctx))
	defer events.Shutdown()
	events.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events("")})

	watching, stop := context.WithCancel(ctx)
	defer stop()
	watch, err := newWatcher(watching, client, o.PodNamespace)
	if err != nil {
		return err
	}
	c := &controller{
		client: client, watch: watch,
		nginx:    &nginx{settings: defaultSettings(), argv: []string{o.Nginx}},
		recorder: events.NewRecorder(scheme.Scheme, v1.EventSource{Component: eventSource}),
		self:     &v1.ObjectReference{Kind: "Pod", Namespace: o.PodNamespace, Name: o.PodName, UID: types.UID(o.PodUID), APIVersion: "v1"},
	}
	if err := c.nginx.prepare(time.Now()); err != nil {
		return err
	}
	health, err := serveHealth(ctx, o.Health, c.nginx)
	if err != nil {
		return err
	}
	defer health.Close()
	err = c.run(ctx)
	slog.Info("stopping")
	return errors.Join(err, c.nginx.stop())
}

// serveHealth answers /healthz with 200 once nginx does.
func serveHealth(ctx context.Context, address string, n *nginx) (*http.Server, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening for health checks: %w", err)
	}
	var warned atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		if _, err := n.current(r.Context()); err != nil {
			http.Error(w, "nginx does not answer: "+err.Error(), http.StatusInternalServerError)
			return
		}
		if _, err := w.Write([]byte("ok")); err != nil && !warned.Swap(true) {
			slog.Warn("a health check went away before its answer", "error", err)
		}
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			slog.Error("health checks are not answered any more", "error", err)
		}
	}()
	return server, nil
}
