package daemonset

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"

	"noriter.dev/noriter/cluster/controllers/podset"
)

const (
	// burst is the most pods made, and the most deleted, for one DaemonSet in one go:
	// upstream's BurstReplicas. It spares the registry, from which all these nodes pull at
	// once.
	burst = 250

	// Pods that fail are replaced after a pause, and after one twice as long each time.
	// The values are those that kube-controller-manager gives (app/apps.go).
	firstRetry = 1 * time.Second
	lastRetry  = 15 * time.Minute
)

// manage makes pods where there are none, and deletes those that are broken, too many
// or at the wrong place. It follows upstream's function of the same name.
func (r *round) manage(ctx context.Context) error {
	var create []string
	var remove []*v1.Pod
	known := map[string]bool{}
	for _, node := range r.nodes {
		known[node.Name] = true
		needs, surplus := r.podsShouldBeOnNode(ctx, node)
		if needs {
			create = append(create, node.Name)
		}
		remove = append(remove, surplus...)
	}
	// A pod that waits for a node that is gone would wait for ever: the scheduler has
	// nowhere to put it, and pod GC takes away only pods that have a node.
	for node, pods := range r.nodePods {
		for _, pod := range pods {
			if !known[node] && pod.Spec.NodeName == "" && pod.DeletionTimestamp == nil {
				remove = append(remove, pod)
			}
		}
	}
	if len(create) > 0 {
		r.decide(ctx, "creating pods", "nodes that should have one have none", "nodes", create)
	}
	return r.syncNodes(ctx, create, remove)
}

// podsShouldBeOnNode says whether a node needs a pod, and which of its pods have to go.
// It follows upstream's function of the same name.
func (r *round) podsShouldBeOnNode(ctx context.Context, node *v1.Node) (needs bool, remove []*v1.Pod) {
	shouldRun, mayStay, why := nodeShouldRunDaemonPod(r.ds, node)
	pods, exists := r.nodePods[node.Name]
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
	// The node may keep a pod, and has one or more. Those that have ended go first; the
	// next sync finds the node without any.
	running, remove := r.endedPods(node, pods)
	if allowsSurge(r.ds) {
		if len(running) == 0 && len(remove) == 0 && shouldRun && !r.hasEnded(pods) {
			return true, nil // the old one is still ending, and two may be there
		}
		return false, append(remove, r.surplusOfTwo(running)...)
	}
	// Several can come of an adoption, or of a cache that lagged behind.
	if len(running) > 1 {
		remove = append(remove, running[1:]...) // the oldest stays
	}
	return false, remove
}

// endedPods finds which pods of a node have ended and are to be deleted, so that the next
// sync makes a new one, and which are left. A program that is meant to run on every node
// all the time has no good end, so Succeeded makes no difference.
func (r *round) endedPods(node *v1.Node, pods []*v1.Pod) (running, remove []*v1.Pod) {
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
	return running, remove
}

func (r *round) hasEnded(pods []*v1.Pod) bool {
	return slices.ContainsFunc(pods, func(p *v1.Pod) bool { return p.DeletionTimestamp == nil && podset.IsTerminal(p) })
}

// mayReplace is true if a failed pod of a node may be replaced now. Else the DaemonSet
// comes back later. An agent that refuses a pod, for want of memory say, makes it fail at
// once, and without a pause the two would make and refuse pods as fast as they can.
func (r *round) mayReplace(node string) bool {
	// A new generation may have put right what failed: it starts with a short pause again.
	id := fmt.Sprintf("%s/%d/%s", r.ds.UID, r.ds.Status.ObservedGeneration, node)
	now := r.c.failures.Clock.Now()
	if r.c.failures.IsInBackOffSinceUpdate(id, now) {
		r.c.loop.AddAfter(r.ds, r.c.failures.Get(id))
		return false
	}
	r.c.failures.Next(id, now)
	return true
}

// surplusOfTwo decides which pods of a node go if an old and a new one may be there
// at once: the old one stays until the new one is available, unless it is not even ready.
func (r *round) surplusOfTwo(running []*v1.Pod) (remove []*v1.Pod) {
	var newPod, oldPod *v1.Pod
	for _, pod := range running {
		switch {
		case r.isCurrent(pod) && newPod == nil:
			newPod = pod
		case !r.isCurrent(pod) && oldPod == nil:
			oldPod = pod
		default:
			remove = append(remove, pod)
		}
	}
	if newPod != nil && oldPod != nil && (!podset.IsReady(oldPod) || r.isAvailable(newPod)) {
		remove = append(remove, oldPod)
	}
	return remove
}

// syncNodes makes pods for some nodes and deletes others. It follows upstream's function
// of the same name.
func (r *round) syncNodes(ctx context.Context, create []string, remove []*v1.Pod) error {
	create, remove = create[:min(len(create), burst)], remove[:min(len(remove), burst)]
	if len(create)+len(remove) == 0 {
		return nil
	}
	r.c.expect.Expect(r.key, len(create), remove)
	createErr := r.c.podControl.CreateAll(ctx, r.ds, len(create), func(i int) *v1.PodTemplateSpec {
		return podTemplate(r.ds, r.hash, create[i])
	})
	failures := r.c.podControl.DeleteAll(ctx, r.ds, remove)
	return errors.Join(append(failures, createErr)...)
}
