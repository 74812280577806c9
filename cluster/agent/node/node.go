package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/agent/node/machine"
)

const (
	// readyPeriod is how often a node that is ready looks at itself. The kubelet's
	// nodeStatusUpdateFrequency is 10 s.
	readyPeriod = 5 * time.Second
	// eagerPeriod is how often one that isn't ready looks whether it is by now (upstream's
	// fastStatusUpdateOnce): a cluster that starts waits for it. After eagerFor something
	// is wrong rather than slow, and it looks every patientPause.
	eagerPeriod  = 100 * time.Millisecond
	eagerFor     = time.Minute
	patientPause = time.Second
	// reportPeriod is how often a status without news is sent: the kubelet's default of
	// nodeStatusReportFrequency.
	reportPeriod = 5 * time.Minute
	// imagesPeriod is how often the images are listed. Only the scheduler's preferences
	// depend on the list, so it may be old.
	imagesPeriod = 30 * time.Second
	// requestLimit bounds one request to the API server or the runtime.
	requestLimit = 10 * time.Second
)

// Runtime is the part of CRI's runtime service that the node's status needs.
type Runtime interface {
	Version(ctx context.Context, apiVersion string) (*cri.VersionResponse, error)
	Status(ctx context.Context, verbose bool) (*cri.StatusResponse, error)
}

// Images is the part of CRI's image service that the node's status needs.
type Images interface {
	ListImages(ctx context.Context, filter *cri.ImageFilter) ([]*cri.Image, error)
	ImageFsInfo(ctx context.Context) (*cri.ImageFsInfoResponse, error)
}

// Config is what a Manager needs.
type Config struct {
	Client kubernetes.Interface
	// Name of the Node, which is the host name of the machine.
	Name string
	// IP is the node's address; nil means that of the interface with the default
	// route.
	IP net.IP
	// Labels are kept on the Node besides the standard ones. The API server lets
	// a node set labels of its own domain and of node.kubernetes.io only.
	Labels map[string]string
	// Taints are put on the Node when it is created; later they belong to the
	// administrator.
	Taints  []v1.Taint
	Runtime Runtime
	Images  Images
	// Recorder takes the events of the Node.
	Recorder record.EventRecorder
	// RootDir is the agent's directory; its file system is the ephemeral storage.
	RootDir string
	// MaxPods is how many pods may run here; zero means 110.
	MaxPods int64
	// LeaseSeconds is for how long one renewal of the node's lease holds; zero means 40.
	LeaseSeconds int32
	// Port of the node's API; zero means 10250.
	Port int32
	// Version of Kubernetes that this agent speaks; empty means the version of
	// the libraries.
	Version string
	// Machine reads the hardware.
	Machine machine.Machine
	// Pressure says when resources are short; zero values mean the defaults.
	Pressure Thresholds
	// Clock is the time source; nil means the real one.
	Clock clock.WithTicker
}

// Manager reports on one node.
type Manager struct {
	cfg      Config
	pressure pressure
	runtime  runtimeState

	mu      sync.Mutex // held to change node
	node    atomic.Pointer[v1.Node]
	deleted atomic.Pointer[time.Time] // when the Node was, if it was
	again   chan struct{}

	// Of the reporting goroutine.
	lastReport     time.Time
	imagesAt       time.Time
	lastSpecSeen   *bool // unschedulable, as last seen
	rebootReported bool
}

// New prepares a Manager; it fails if the machine has no address.
func New(cfg Config) (*Manager, error) {
	if cfg.Name == "" {
		return nil, errors.New("a node needs a name (--hostname-override, or the host's name)")
	}
	if cfg.IP == nil {
		ip, err := defaultIP()
		if err != nil {
			return nil, err
		}
		cfg.IP = ip
	}
	if cfg.MaxPods == 0 {
		cfg.MaxPods = 110
	}
	if cfg.Port == 0 {
		cfg.Port = 10250
	}
	if cfg.RootDir == "" {
		cfg.RootDir = "/var/lib/kubelet"
	}
	if cfg.Version == "" {
		cfg.Version = libraryVersion()
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.RealClock{}
	}
	if cfg.Recorder == nil {
		cfg.Recorder = &record.FakeRecorder{} // drops everything
	}
	cfg.Pressure = cfg.Pressure.withDefaults()
	return &Manager{cfg: cfg, again: make(chan struct{}, 1)}, nil
}

// Node is the latest known Node object, or nil before it is registered. It is
// shared: don't change it.
func (m *Manager) Node() *v1.Node { return m.node.Load() }

// Refresh makes the Manager look at the machine and the runtime now.
func (m *Manager) Refresh() {
	select {
	case m.again <- struct{}{}:
	default: // it will anyway
	}
}

// Run registers the node and reports until ctx is done.
func (m *Manager) Run(ctx context.Context) error {
	m.runtime.look(ctx, m.cfg.Runtime, m.cfg.Clock.Now())
	if err := m.registerWithAPIServer(ctx); err != nil {
		return err
	}
	var work sync.WaitGroup
	defer work.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	work.Go(func() { m.watch(ctx) })
	work.Go(func() { m.renewLease(ctx) })
	m.syncNodeStatus(ctx)
	return nil
}

// syncNodeStatus looks and reports until ctx is done (syncNodeStatus in
// pkg/kubelet/kubelet_node_status.go). How soon it looks again depends on how it went: soon
// while the node is not ready, slowly while it is.
func (m *Manager) syncNodeStatus(ctx context.Context) {
	unreadySince := m.cfg.Clock.Now()
	for ctx.Err() == nil {
		m.runtime.look(ctx, m.cfg.Runtime, m.cfg.Clock.Now())
		ready, err := m.tryUpdateNodeStatus(ctx)
		if err != nil && ctx.Err() == nil {
			slog.Warn("reporting the node's status failed, will try again", "error", err)
		}
		now := m.cfg.Clock.Now()
		pause := readyPeriod
		switch {
		case err != nil, m.deleted.Load() != nil:
			pause = patientPause
		case ready:
			unreadySince = time.Time{}
		case unreadySince.IsZero():
			unreadySince = now
			pause = eagerPeriod
		case now.Sub(unreadySince) < eagerFor:
			pause = eagerPeriod
		default:
			pause = patientPause
		}
		timer := m.cfg.Clock.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-m.again:
			m.imagesAt = time.Time{}
		case <-timer.C():
		}
		timer.Stop()
	}
}

// event records an event about the Node.
func (m *Manager) event(kind, reason, message string) {
	ref := &v1.ObjectReference{Kind: "Node", APIVersion: "v1", Name: m.cfg.Name}
	if node := m.Node(); node != nil {
		ref.UID = node.UID
	}
	m.cfg.Recorder.Event(ref, kind, reason, message)
}

// statusEvent records an event in the words that events about a node's state have.
func (m *Manager) statusEvent(reason string) {
	m.event(v1.EventTypeNormal, reason, fmt.Sprintf("Node %s status is now: %s", m.cfg.Name, reason))
}
