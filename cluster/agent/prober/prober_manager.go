package prober

import (
	"context"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/runtime"
)

// Manager runs the probes of all pods of the node (manager in
// pkg/kubelet/prober/prober_manager.go).
type Manager struct {
	prober  *prober
	clock   clock.WithTicker
	started time.Time // of the agent: older containers were probed before
	// last is the status a pod has; probes learn from it what there is to probe.
	last    func(types.UID) (v1.PodStatus, bool)
	changed func(types.UID)
	results *resultsManager

	mu      sync.Mutex
	workers map[probeKey]*worker
}

// probeKey is what a probe belongs to. A container keeps its probes over all of its
// restarts, which is why this is the name and not an ID.
type probeKey struct {
	pod       types.UID
	container string
	kind      Kind
}

// NewManager probes by means of exec (for exec probes) and the network. last gives
// the status of a pod; changed is called whenever the result for one of its containers
// is another than before.
func NewManager(exec Executor, events record.EventRecorder, c clock.WithTicker,
	last func(types.UID) (v1.PodStatus, bool), changed func(types.UID)) *Manager {
	return &Manager{
		prober: newProber(exec, events), clock: c, started: c.Now(),
		last: last, changed: changed, results: newResults(), workers: map[probeKey]*worker{},
	}
}

// AddPod makes sure that the probes of the pod's main containers and sidecars run. It
// may be called again at any time, with a newer version of the pod. Init containers that
// run to their end have no probes: their exit says everything.
func (m *Manager) AddPod(ctx context.Context, pod *v1.Pod) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range pod.Spec.Containers {
		m.addContainer(ctx, pod, &pod.Spec.Containers[i])
	}
	for i := range pod.Spec.InitContainers {
		if podspec.IsSidecar(&pod.Spec.InitContainers[i]) {
			m.addContainer(ctx, pod, &pod.Spec.InitContainers[i])
		}
	}
}

func (m *Manager) addContainer(ctx context.Context, pod *v1.Pod, c *v1.Container) {
	for _, kind := range kinds {
		if kind.spec(c) == nil {
			continue
		}
		k := probeKey{pod.UID, c.Name, kind}
		if w := m.workers[k]; w != nil {
			w.pod.Store(pod)
			continue
		}
		w := newWorker(m, pod, c.DeepCopy(), kind)
		running, cancel := context.WithCancel(ctx)
		w.cancel = cancel
		m.workers[k] = w
		go w.run(running)
	}
}

// StopLivenessAndStartup ends the liveness and startup probes of a pod that is being
// stopped: it must not be restarted now. Readiness goes on until the pod is gone, because
// a terminating pod may still serve the requests it has.
func (m *Manager) StopLivenessAndStartup(uid types.UID) {
	m.stop(func(k probeKey) bool { return k.pod == uid && k.kind != Readiness })
}

// RemovePod ends all probes of the pod.
func (m *Manager) RemovePod(uid types.UID) {
	m.stop(func(k probeKey) bool { return k.pod == uid })
}

func (m *Manager) stop(match func(probeKey) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, w := range m.workers {
		if match(k) {
			w.cancel()
			delete(m.workers, k)
		}
	}
}

// removeWorker takes a worker that gave up by itself off the list.
func (m *Manager) removeWorker(k probeKey, w *worker) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.workers[k] == w {
		delete(m.workers, k)
	}
}

func (m *Manager) getWorker(uid types.UID, container string, kind Kind) *worker {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.workers[probeKey{uid, container, kind}]
}

// GetResult is what a probe of that kind last decided about a container, by its ID in
// the runtime; false if it has not decided yet.
func (m *Manager) GetResult(containerID string, kind Kind) (Result, bool) {
	return m.results.get(containerID, kind)
}

// Started implements status.Probes (isContainerStarted of upstream). A container without a
// startup probe has started as soon as it runs.
func (m *Manager) Started(pod *v1.Pod, c *v1.Container, s *v1.ContainerStatus) bool {
	if r, known := m.results.get(idOf(s), Startup); known {
		return r == Success
	}
	if s.Started != nil && *s.Started {
		return true
	}
	return c == nil || c.StartupProbe == nil
}

// Ready implements status.Probes (UpdatePodStatus of upstream). A container without a
// readiness probe is ready as soon as it has started. One that has just started is probed
// at once and not only after its first period.
func (m *Manager) Ready(pod *v1.Pod, c *v1.Container, s *v1.ContainerStatus) bool {
	if c == nil || c.ReadinessProbe == nil {
		return true
	}
	r, known := m.results.get(idOf(s), Readiness)
	if known && r == Success {
		return true
	}
	if w := m.getWorker(pod.UID, c.Name, Readiness); w != nil {
		w.probeNow()
	}
	// Without a result the agent has just started. What was ready stays so for now, or an
	// upgrade of the agent would take all of its pods out of their Services.
	return !known && s.Ready
}

func idOf(s *v1.ContainerStatus) string { return runtime.ParseContainerID(s.ContainerID) }
