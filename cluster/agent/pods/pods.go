// Package pods runs the pods of the node: one goroutine, a worker, per pod. A worker
// compares what the API wants with what the container runtime has and does the next
// thing, whenever either side changes:
//
//	         pod deleted, ended, or past its deadline        nothing runs any more
//	Syncing ────────────────────────────────────────▶ Terminating ──────────────▶ Terminated ──▶ Gone
//	 sandbox, init containers, containers,             preStop, SIGTERM,           volumes,       API object
//	 restarts, probes                                  grace, SIGKILL              final status   removed
//
// The states are in worker.go, the decisions of Syncing in plan.go, and what they
// come to in sync.go, start.go and kill.go. Workers remember little: after a restart
// of the agent they find the pod's containers in the runtime and go on.
package pods

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	kubelettypes "k8s.io/kubelet/pkg/types"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/probe"
	"noriter.dev/noriter/cluster/agent/pull"
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

// Config is what a Manager works with. All fields are needed.
type Config struct {
	Node    *podspec.Node
	HostIPs func() []string // the node's addresses, the primary first
	// Allocatable is the node's, the default of limits in resourceFieldRef.
	Allocatable func() v1.ResourceList
	Runtime     runtime.Service
	Images      *pull.Manager
	Statuses    *status.Manager
	Volumes     Volumes
	Objects     podspec.Objects
	Events      record.EventRecorder
	Clock       clock.WithTicker
	// ContainerLogs is where symbolic links to all logs are, /var/log/containers;
	// "" for none.
	ContainerLogs string
}

// Manager runs all pods of the node.
type Manager struct {
	Config
	probes *probe.Manager
	crash  *backoff.Backoff

	mu      sync.Mutex
	ctx     context.Context // of Run; nil before
	synced  bool            // the API's pods are all known: others are orphans
	workers map[types.UID]*worker
	wg      sync.WaitGroup

	busy     atomic.Int32  // pods being started or stopped right now
	removing chan struct{} // held while a dead pod's remains are removed
}

// New is a Manager that does nothing until Run.
func New(cfg Config) *Manager {
	m := &Manager{Config: cfg, crash: backoff.New(cfg.Clock), workers: map[types.UID]*worker{}, removing: make(chan struct{}, 1)}
	m.probes = probe.NewManager(cfg.Runtime, cfg.Events, cfg.Clock, cfg.Statuses.Last, m.Wake)
	return m
}

// Run lets the workers work until ctx ends, and then waits for them. Containers run
// on.
func (m *Manager) Run(ctx context.Context) {
	m.mu.Lock()
	m.ctx = ctx
	for _, w := range m.workers {
		m.start(w)
	}
	m.mu.Unlock()
	runtime.Watch(ctx, m.Runtime, m.Wake)
	m.wg.Wait()
}

// Update tells of a pod as the API has it, new or changed.
func (m *Manager) Update(pod *v1.Pod) {
	m.Statuses.Observe(pod)
	m.mu.Lock()
	defer m.mu.Unlock()
	if w := m.workers[pod.UID]; w != nil {
		w.update(pod)
		return
	}
	m.add(newWorker(m, pod))
}

// Delete tells that the API has the pod no more. pod is the last that was seen of it.
func (m *Manager) Delete(pod *v1.Pod) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if w := m.workers[pod.UID]; w != nil {
		w.delete(pod)
	}
}

// add registers a worker and starts it if there is someone to work for. m.mu is held.
func (m *Manager) add(w *worker) {
	m.workers[w.uid] = w
	if m.ctx != nil {
		m.start(w)
	}
}

func (m *Manager) start(w *worker) {
	ctx := m.ctx
	m.wg.Go(func() {
		w.run(ctx)
		m.mu.Lock()
		defer m.mu.Unlock()
		if ctx.Err() == nil {
			delete(m.workers, w.uid)
		}
	})
}

// Wake makes the pod's worker look again. A pod without a worker that the runtime
// has something of is an orphan: it was deleted while the agent was down.
func (m *Manager) Wake(uid types.UID) {
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

// Synced says that every pod the API has for this node was given to Update. What the
// runtime has beyond them, and what is left of them on disk, is removed.
func (m *Manager) Synced(ctx context.Context) {
	m.mu.Lock()
	m.synced = true
	m.mu.Unlock()
	sandboxes, err := m.Runtime.ListPodSandbox(ctx, nil)
	if err != nil {
		slog.Error("looking for orphaned pods", "error", err) // the next relist finds them too
	}
	for _, s := range sandboxes {
		if uid := kubelettypes.GetPodUID(s.Labels); uid != "" {
			m.Wake(types.UID(uid))
		}
	}
	m.sweep(ctx)
}

// adoptOrphan starts a worker in state Terminating for a pod the API doesn't know.
func (m *Manager) adoptOrphan(ctx context.Context, uid types.UID) {
	have, err := runtime.Read(ctx, m.Runtime, uid)
	if err != nil {
		slog.Error("reading an orphaned pod", "uid", string(uid), "error", err)
		return
	}
	if len(have.Sandboxes)+len(have.Containers) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.workers[uid] == nil {
		m.add(newOrphan(m, have))
	}
}

// Get finds a pod of this node, with the status the agent generated last.
func (m *Manager) Get(namespace, name string) (*v1.Pod, bool) {
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
func (m *Manager) List() []*v1.Pod {
	m.mu.Lock()
	workers := make([]*worker, 0, len(m.workers))
	for _, w := range m.workers {
		workers = append(workers, w)
	}
	m.mu.Unlock()
	var out []*v1.Pod
	for _, w := range workers {
		if w.orphan {
			continue
		}
		pod, _ := w.current()
		pod = pod.DeepCopy()
		if s, known := m.Statuses.Last(w.uid); known {
			pod.Status = s
		}
		out = append(out, pod)
	}
	slices.SortFunc(out, func(a, b *v1.Pod) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	return out
}
