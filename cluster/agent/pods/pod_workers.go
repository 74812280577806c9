package pods

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/agent/images"
	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/prober"
	"noriter.dev/noriter/cluster/agent/runtime"
	"noriter.dev/noriter/cluster/agent/status"
	"noriter.dev/noriter/cluster/backoff"
)

// Volumes sets the volumes of pods up and takes them down again.
type Volumes interface {
	// SetUp returns once every volume of the pod is there, by its name. It is
	// cheap when they are. An error may be several, joined.
	SetUp(ctx context.Context, pod *v1.Pod) (map[string]podspec.Volume, error)
	// SubPath is where a path inside a volume is on the node, for the container's
	// volumeMount number index. It is made as a directory if nothing is there.
	SubPath(uid types.UID, container string, index int, name string, volume podspec.Volume, path string) (string, error)
	// TearDown removes all volumes of a pod that runs no more.
	TearDown(ctx context.Context, uid types.UID) error
}

// Config is what PodWorkers work with. All fields are needed.
type Config struct {
	Node    *podspec.Node
	HostIPs func() []string // the node's addresses, the primary first
	// Allocatable is the node's, the default of limits in resourceFieldRef.
	Allocatable func() v1.ResourceList
	Runtime     runtime.Service
	Images      *images.Manager
	Statuses    *status.Manager
	Volumes     Volumes
	Objects     podspec.Objects
	Events      record.EventRecorder
	Clock       clock.WithTicker
	// ContainerLogs is where symbolic links to all logs are, /var/log/containers;
	// "" for none.
	ContainerLogs string
}

// PodWorkers runs all pods of the node (podWorkers in pkg/kubelet/pod_workers.go). It
// hands what comes in, from the API and from the runtime, to the worker of the pod that
// it is about. So a pod whose image takes minutes to pull delays no other.
type PodWorkers struct {
	Config
	probes *prober.Manager
	// crash is the back-off of containers that end again and again.
	crash *backoff.Backoff

	mu      sync.Mutex
	ctx     context.Context // of Run; nil before
	synced  bool            // the API's pods are all known: others are orphans
	workers map[types.UID]*podWorker
	wg      sync.WaitGroup

	busy     atomic.Int32  // pods being started or stopped right now
	removing chan struct{} // held while a dead pod's remains are removed
}

// New makes PodWorkers that do nothing until Run.
func New(cfg Config) *PodWorkers {
	m := &PodWorkers{Config: cfg, crash: backoff.New(cfg.Clock), workers: map[types.UID]*podWorker{}, removing: make(chan struct{}, 1)}
	m.probes = prober.NewManager(cfg.Runtime, cfg.Events, cfg.Clock, cfg.Statuses.GetPodStatus, m.wake)
	return m
}

// Run lets the workers work until ctx ends, and then waits for them. Containers run
// on.
func (m *PodWorkers) Run(ctx context.Context) {
	m.mu.Lock()
	m.ctx = ctx
	for _, w := range m.workers {
		m.start(w)
	}
	m.mu.Unlock()
	runtime.Watch(ctx, m.Runtime, m.wake)
	m.wg.Wait()
}

// UpdatePod tells of a pod as the API has it, new or changed. Workers go by UID and not
// by name: a StatefulSet's pod may be deleted and made again while the old one is still
// being stopped, and these are two pods.
func (m *PodWorkers) UpdatePod(pod *v1.Pod) {
	m.Statuses.UpdatePod(pod)
	m.mu.Lock()
	defer m.mu.Unlock()
	if w := m.workers[pod.UID]; w != nil {
		w.update(pod)
		return
	}
	m.add(newPodWorker(m, pod))
}

// RemovePod tells that the API has the pod no more (HandlePodRemoves in
// pkg/kubelet/kubelet.go). pod is the last that was seen of it. A pod that was deleted
// with grace is usually finished by then; one deleted with --force still runs.
func (m *PodWorkers) RemovePod(pod *v1.Pod) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if w := m.workers[pod.UID]; w != nil {
		w.remove(pod)
	}
}

// add registers a worker and starts it if there is someone to work for. m.mu is held.
func (m *PodWorkers) add(w *podWorker) {
	m.workers[w.uid] = w
	if m.ctx != nil {
		m.start(w)
	}
}

func (m *PodWorkers) start(w *podWorker) {
	ctx := m.ctx
	m.wg.Go(func() {
		w.podWorkerLoop(ctx)
		m.mu.Lock()
		defer m.mu.Unlock()
		// When the agent stops, the pod is not finished: List still names it.
		if ctx.Err() == nil {
			delete(m.workers, w.uid)
		}
	})
}

// wake makes the pod's worker look again. A pod without a worker that the runtime
// has something of is an orphan: it was deleted while the agent was down. That can be
// said only once all pods of the API are known.
func (m *PodWorkers) wake(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if w := m.workers[uid]; w != nil {
		w.wakeUp()
		return
	}
	if m.synced && m.ctx != nil && m.ctx.Err() == nil {
		m.wg.Go(func() { m.adoptOrphan(m.ctx, uid) })
	}
}

// Get finds a pod of this node, with the status the agent generated last.
func (m *PodWorkers) Get(namespace, name string) (*v1.Pod, bool) {
	var found *v1.Pod
	for _, pod := range m.List() {
		if pod.Namespace != namespace || pod.Name != name {
			continue
		}
		// A deleted pod may still be stopping while its namesake starts.
		if found == nil || found.DeletionTimestamp != nil {
			found = pod
		}
	}
	return found, found != nil
}

// List is all pods of this node with the agent's latest status, in order of names.
func (m *PodWorkers) List() []*v1.Pod {
	m.mu.Lock()
	workers := slices.Collect(maps.Values(m.workers))
	m.mu.Unlock()
	var out []*v1.Pod
	for _, w := range workers {
		if w.orphan {
			continue // what is known of it was put together from labels
		}
		pod, _ := w.current()
		pod = pod.DeepCopy()
		if s, known := m.Statuses.GetPodStatus(w.uid); known {
			pod.Status = s
		}
		out = append(out, pod)
	}
	slices.SortFunc(out, func(a, b *v1.Pod) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	return out
}
