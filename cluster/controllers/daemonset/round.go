package daemonset

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"

	"noriter.dev/noriter/cluster/controllers/podset"
)

// Pods that fail are replaced after a pause, and after a longer one each time.
const (
	firstRetry = 1 * time.Second
	lastRetry  = 15 * time.Minute
)

// round is one look at a DaemonSet, its pods and the nodes.
type round struct {
	c    *Controller
	ds   *appsv1.DaemonSet
	key  string
	hash string // of the current template
	now  time.Time

	nodes []*v1.Node
	pods  []*v1.Pod
	at    map[string][]*v1.Pod // by node: those that have not been seen to end, oldest first
}

// look finds the nodes, and which pods are on them.
func (r *round) look(ctx context.Context) error {
	var err error
	if r.nodes, err = r.c.all(); err != nil {
		return err
	}
	if r.pods, err = r.c.ownPods(ctx, r.ds); err != nil {
		return err
	}
	r.at = map[string][]*v1.Pod{}
	for _, pod := range r.pods {
		// One that was to end, and has, does not keep its successor from starting.
		if pod.DeletionTimestamp != nil && podset.IsTerminal(pod) {
			continue
		}
		node := nodeOf(pod)
		r.at[node] = append(r.at[node], pod)
	}
	for _, pods := range r.at {
		slices.SortFunc(pods, func(a, b *v1.Pod) int {
			assigned := func(p *v1.Pod) int {
				if p.Spec.NodeName != "" {
					return 0
				}
				return 1
			}
			return cmp.Or(cmp.Compare(assigned(a), assigned(b)), a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
		})
	}
	return nil
}

// manage makes pods where there are none, and deletes those that are broken, too many
// or at the wrong place.
func (r *round) manage(ctx context.Context) error {
	var create []string
	var remove []*v1.Pod
	known := map[string]bool{}
	for _, node := range r.nodes {
		known[node.Name] = true
		needs, surplus := r.manageNode(ctx, node)
		if needs {
			create = append(create, node.Name)
		}
		remove = append(remove, surplus...)
	}
	// A pod that waits for a node that is gone would wait for ever.
	for node, pods := range r.at {
		for _, pod := range pods {
			if !known[node] && pod.Spec.NodeName == "" && pod.DeletionTimestamp == nil {
				remove = append(remove, pod)
			}
		}
	}
	if len(create) > 0 {
		r.decide(ctx, "creating pods", "nodes that should have one have none", "nodes", create)
	}
	return r.apply(ctx, create, remove)
}

// manageNode says whether a node needs a pod, and which of its pods have to go.
func (r *round) manageNode(ctx context.Context, node *v1.Node) (needs bool, remove []*v1.Pod) {
	shouldRun, mayStay, why := fits(r.ds, node)
	pods, exists := r.at[node.Name]
	switch {
	case shouldRun && !exists:
		return true, nil
	case !mayStay:
		for _, pod := range pods {
			if pod.DeletionTimestamp == nil {
				r.decide(ctx, "deleting pod "+pod.Name, "it should not run on node "+node.Name+": "+why)
				remove = append(remove, pod)
			}
		}
		return false, remove
	}
	var running []*v1.Pod
	for _, pod := range pods {
		switch {
		case pod.DeletionTimestamp != nil:
		case pod.Status.Phase == v1.PodFailed:
			if r.mayReplace(node.Name) {
				r.c.events.Eventf(r.ds, v1.EventTypeWarning, "FailedDaemonPod", "Found failed daemon pod %s/%s on node %s, will try to kill it", pod.Namespace, pod.Name, node.Name)
				remove = append(remove, pod)
			}
		case pod.Status.Phase == v1.PodSucceeded:
			r.c.events.Eventf(r.ds, v1.EventTypeNormal, "SucceededDaemonPod", "Found succeeded daemon pod %s/%s on node %s, will try to delete it", pod.Namespace, pod.Name, node.Name)
			remove = append(remove, pod)
		default:
			running = append(running, pod)
		}
	}
	if surges(r.ds) {
		if len(running) == 0 && len(remove) == 0 && shouldRun && !r.hasFailed(pods) {
			return true, remove // the old one is still ending, and two may be there
		}
		return false, append(remove, r.surplusOfTwo(running)...)
	}
	if len(running) > 1 {
		remove = append(remove, running[1:]...) // the oldest stays
	}
	return false, remove
}

func (r *round) hasFailed(pods []*v1.Pod) bool {
	return slices.ContainsFunc(pods, func(p *v1.Pod) bool { return p.DeletionTimestamp == nil && podset.IsTerminal(p) })
}

// surplusOfTwo decides which pods of a node go if an old and a new one may be there
// at once: the old one stays until the new one is available.
func (r *round) surplusOfTwo(running []*v1.Pod) (remove []*v1.Pod) {
	var fresh, old *v1.Pod
	for _, pod := range running {
		switch {
		case r.isCurrent(pod) && fresh == nil:
			fresh = pod
		case !r.isCurrent(pod) && old == nil:
			old = pod
		default:
			remove = append(remove, pod)
		}
	}
	if fresh != nil && old != nil && (!podset.IsReady(old) || podset.IsAvailable(fresh, r.ds.Spec.MinReadySeconds, r.now)) {
		remove = append(remove, old)
	}
	return remove
}

// mayReplace is true if a failed pod of a node may be replaced now. Else it comes
// back later.
func (r *round) mayReplace(node string) bool {
	id := fmt.Sprintf("%s/%d/%s", r.ds.UID, r.ds.Status.ObservedGeneration, node)
	now := r.c.failures.Clock.Now()
	if r.c.failures.IsInBackOffSinceUpdate(id, now) {
		r.c.loop.AddAfter(r.ds, r.c.failures.Get(id))
		return false
	}
	r.c.failures.Next(id, now)
	return true
}

// isCurrent is true for a pod of the current template.
func (r *round) isCurrent(pod *v1.Pod) bool {
	return r.hash != "" && pod.Labels[appsv1.DefaultDaemonSetUniqueLabelKey] == r.hash
}
