package pods

import (
	"context"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/runtime"
)

// terminationOrdering is in which sequence the containers of a pod with sidecars stop:
// the main ones first, then the sidecars from the last to the first (KEP-753;
// pkg/kubelet/kuberuntime/kuberuntime_termination_order.go). It is the order of their
// start the other way round, so that a proxy or a log shipper still works while the
// program that needs it finishes.
//
// Every container has a channel that is closed when it has ended, and a list of the
// channels it waits for.
type terminationOrdering struct {
	done map[string]chan struct{}
	once map[string]*sync.Once
	wait map[string][]<-chan struct{}
}

func newTerminationOrdering(pod *v1.Pod, running []*runtime.Container) *terminationOrdering {
	o := &terminationOrdering{done: map[string]chan struct{}{}, once: map[string]*sync.Once{}, wait: map[string][]<-chan struct{}{}}
	for _, c := range running {
		o.done[c.Name], o.once[c.Name] = make(chan struct{}), &sync.Once{}
	}
	var before []<-chan struct{}
	for i := range pod.Spec.Containers {
		if d := o.done[pod.Spec.Containers[i].Name]; d != nil {
			before = append(before, d)
		}
	}
	for i := len(pod.Spec.InitContainers) - 1; i >= 0; i-- {
		c := &pod.Spec.InitContainers[i]
		if d := o.done[c.Name]; d != nil && podspec.IsSidecar(c) {
			o.wait[c.Name] = before
			// A copy: the next one's list must not grow into this one's.
			before = append(before[:len(before):len(before)], d)
		}
	}
	return o
}

// turn is what a container has to wait for.
func (o *terminationOrdering) turn(name string) []<-chan struct{} { return o.wait[name] }

// containerTerminated lets go whoever waits for the container. Two instances of one
// container may end, hence the Once.
func (o *terminationOrdering) containerTerminated(name string) {
	o.once[name].Do(func() { close(o.done[name]) })
}

// waitForTurn waits until every container in turn has ended, or the deadline: a sidecar
// gives the others all the time there is, and then stops with them.
func (w *podWorker) waitForTurn(ctx context.Context, turn []<-chan struct{}, deadline time.Time) {
	for _, ended := range turn {
		left := deadline.Sub(w.m.Clock.Now())
		if left <= 0 {
			return
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return
		case <-w.m.Clock.After(left):
			return
		}
	}
}
