// Package pods runs the pods of the node: one goroutine, a worker, per pod. A worker
// compares what the API wants with what the container runtime has and does the next
// thing, whenever either side changes:
//
//	         pod deleted, ended, or past its deadline        nothing runs any more
//	syncing ────────────────────────────────────────▶ terminating ──────────────▶ terminated ──▶ finished
//	 sandbox, init containers, containers,             preStop, SIGTERM,           volumes,       API object
//	 restarts, probes                                  grace, SIGKILL              final status   removed
//
// Workers remember little: after a restart of the agent they find the pod's containers
// in the runtime and go on. The files, each with the kubelet's file that does the same:
//
//	pod_workers.go           all workers, and what comes in from the API     pod_workers.go
//	pod_worker.go            one worker: its states and its loop             pod_workers.go
//	sync_pod.go              one look at a pod that is to run                kubelet.go
//	compute_pod_actions.go   what has to be done (decides, does nothing)     kuberuntime_manager.go
//	compute_init_actions.go  the same for init containers and sidecars       kuberuntime_container.go
//	apply_pod_actions.go     does it                                         kuberuntime_manager.go
//	start_container.go       image, creation, start, postStart               kuberuntime_container.go
//	crash_backoff.go         CrashLoopBackOff                                kuberuntime_manager.go
//	kill_pod.go              stopping a pod, and publishing how it ends      kubelet.go
//	kill_container.go        preStop, SIGTERM, SIGKILL                       kuberuntime_container.go
//	termination_order.go     sidecars stop last                              kuberuntime_termination_order.go
//	lifecycle_hooks.go       postStart and preStop                           lifecycle/handlers.go
//	sync_terminated_pod.go   what is left of a pod that has ended            kubelet.go
//	pod_cleanups.go          pods that the API knows no more                 kubelet_pods.go
//	container_gc.go          dead containers and sandboxes                   kuberuntime_gc.go
package pods
