// Command pause is the first process of every pod's sandbox. It holds the
// pod's namespaces open while containers come and go, adopts and buries their
// orphans where the pod shares one process namespace, and otherwise sleeps.
//
// It does what build/pause of Kubernetes does, and like it ends at once on
// SIGINT or SIGTERM: a sandbox has nothing to wind up.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// Notify before the first reap, so that no child's death goes unseen between the two.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for {
		reap()
		if s := <-signals; s != syscall.SIGCHLD {
			return
		}
	}
}

// reap collects every child that has ended. One SIGCHLD may stand for many
// deaths (signals of a kind do not queue), hence the loop.
func reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
	}
}
