package prober

import (
	"sync"

	v1 "k8s.io/api/core/v1"
)

// Kind is what a probe decides about (probeType in pkg/kubelet/prober/worker.go).
type Kind int

// The kinds of probes.
const (
	Startup   Kind = iota // has it started at all? Until then the other two wait.
	Liveness              // does it have to be restarted?
	Readiness             // may it get traffic?
)

var kinds = []Kind{Startup, Liveness, Readiness}

// String is the kind as events write it.
func (k Kind) String() string { return [...]string{"Startup", "Liveness", "Readiness"}[k] }

// spec is the container's probe of this kind, nil if it has none.
func (k Kind) spec(c *v1.Container) *v1.Probe {
	switch k {
	case Startup:
		return c.StartupProbe
	case Liveness:
		return c.LivenessProbe
	}
	return c.ReadinessProbe
}

// Result is what a probe has decided, after its thresholds: one failed request is no
// Failure yet (Result in pkg/kubelet/prober/results/results_manager.go).
type Result int

// The results.
const (
	Unknown Result = iota // not probed yet
	Success
	Failure
)

// initial is what is taken to be true before the first probe: alive, but neither
// started nor ready. So a container gets no traffic too early, and no restart either.
func (k Kind) initial() Result { return [...]Result{Unknown, Success, Failure}[k] }

// resultsManager keeps the results by container ID, so that a restarted container starts
// without those of the instance before.
type resultsManager struct {
	mu   sync.Mutex
	byID map[string]*[3]*Result
}

func newResults() *resultsManager { return &resultsManager{byID: map[string]*[3]*Result{}} }

func (r *resultsManager) get(id string, k Kind) (Result, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.byID[id]; e != nil && e[k] != nil {
		return *e[k], true
	}
	return Unknown, false
}

// set notes a result and tells whether it is another than before.
func (r *resultsManager) set(id string, k Kind, value Result) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.byID[id]
	if e == nil {
		e = &[3]*Result{}
		r.byID[id] = e
	}
	if e[k] != nil && *e[k] == value {
		return false
	}
	e[k] = &value
	return true
}

func (r *resultsManager) remove(id string, k Kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.byID[id]; e != nil {
		e[k] = nil
		if *e == [3]*Result{} {
			delete(r.byID, id)
		}
	}
}
