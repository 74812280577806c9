// Package scheduler gives every new pod a node.
//
// It watches pods without a node and takes one at a time. Filters rule out the nodes
// that can't have it, scores compare the rest, and a Binding writes the winner into
// the pod. That is all: the agent on that node sees the pod then, and starts it.
//
// One pod's way, in the order in which to read:
//
//	addAllEventHandlers            a pod without a node is seen    eventhandlers.go
//	schedulingQueue                it waits for its turn           scheduling_queue.go
//	scheduleOne, schedulePod       it gets a node, or does not     schedule_one.go
//	plugins                        by which rules                  plugins.go
//	clusterCache.assumePod         the room is taken at once       cache.go
//	bind                           the API server is told          defaultbinder.go
//
// And if no node can take it:
//
//	preempt                        whether others have to leave    defaultpreemption.go
//	handleSchedulingFailure        the user is told why            schedule_one.go
//	moveAllToActiveOrBackoffQueue  an event wakes it               unschedulable_pods.go
//
// Each plugin is a file named like it. Other names are upstream's, too: where
// kube-scheduler 1.37 has the same thing, the comment says in which file; paths that
// begin with framework are below pkg/scheduler. Reasons, messages and defaults are
// those of kube-scheduler.
package scheduler
