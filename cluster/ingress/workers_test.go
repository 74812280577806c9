package ingress

import (
	"slices"
	"syscall"
	"testing"
	"time"
)

// TestReloadWaitsForOldWorkers holds an old worker back while nginx reloads: what is asked
// then may still meet it, so the new configuration is not called live before it has ended.
func TestReloadWaitsForOldWorkers(t *testing.T) {
	n := realNginx(t)
	serve(t, n, readWorld(t, readFile(t, "testdata/paths.yaml")))
	old, err := n.accepting()
	if err != nil || len(old) != n.settings.Workers {
		t.Fatalf("the workers are %v, %v", old, err)
	}
	if err := syscall.Kill(old[0], syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	config, _ := build(readWorld(t, readFile(t, "testdata/default.yaml")))
	text, sum := write(config, n.settings)
	var failed error
	applied := make(chan struct{})
	go func() {
		failed = n.apply(t.Context(), text, sum, config.Certificates)
		close(applied)
	}()
	// The new ones work, and the other old one has ended: so all but that one is done.
	for deadline := time.Now().Add(reloadTime / 2); time.Now().Before(deadline); time.Sleep(reloadPoll) {
		left, err := n.stillAccepting(old)
		got, _ := n.current(t.Context())
		if err == nil && slices.Equal(left, old[:1]) && got == sum {
			break
		}
	}
	select {
	case <-applied:
		t.Error("called live with an old worker at work")
	case <-time.After(20 * reloadPoll):
	}
	if err := syscall.Kill(old[0], syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if <-applied; failed != nil {
		t.Error(failed)
	}
	if left, err := n.stillAccepting(old); err != nil || len(left) > 0 {
		t.Errorf("workers of before still take connections: %v, %v", left, err)
	}
}
