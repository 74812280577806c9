package nspawn

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestFreezeStuck plays a kernel of cgroup v1 that gets stuck on its way to
// FROZEN: it gets there only after it was let go once.
func TestFreezeStuck(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(dir, "m", "freezer.state")
	if err := os.Mkdir(filepath.Dir(state), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(state, []byte("THAWED\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	defer func() { close(stop); <-stopped }()
	go func() {
		defer close(stopped)
		for thawed := false; ; time.Sleep(time.Millisecond) {
			select {
			case <-stop:
				return
			default:
			}
			answer := ""
			switch b, _ := os.ReadFile(state); string(b) { // what was asked has no end of line
			case "THAWED":
				thawed, answer = true, "THAWED\n"
			case "FROZEN":
				answer = "FREEZING\n"
				if thawed {
					answer = "FROZEN\n"
				}
			default:
				continue
			}
			_ = os.WriteFile(state, []byte(answer), 0o600)
		}
	}()
	g := group{trees: []hierarchy{{dir: dir, controllers: []string{"freezer"}}}, path: []string{"m"}}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := g.freeze(ctx); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(state); string(b) != "FROZEN\n" {
		t.Errorf("the cgroup is %q", b)
	}
}

// TestFreezeGivesUp ends with its context, and names what it waited for.
func TestFreezeGivesUp(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "m"), 0o755); err != nil {
		t.Fatal(err)
	}
	g := group{trees: []hierarchy{{dir: dir, controllers: []string{"freezer"}}}, path: []string{"m"}}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := g.freeze(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("freeze = %v, want the end of its time", err)
	}
}
