// Package prober asks containers whether they have started, are alive and are ready: one
// goroutine per probe, at the period its spec gives. Whenever a result changes, the pod's
// worker is told, which restarts the container or writes the new status.
//
//	prober_manager.go    which probes run, and what the pod's status asks of them
//	worker.go            one probe of one container: when to ask, how often in a row
//	prober.go            asking once: a command, HTTP, TCP or gRPC
//	results_manager.go   what was decided, by container ID
//
// Names are those of pkg/kubelet/prober.
package prober
