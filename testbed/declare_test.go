package testbed

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/netns"
)

// TestNamespaceOfAnother declares a testbed whose network namespace exists: that of
// another folder, then one of its own folder in which processes are, then one that
// nobody is in.
func TestNamespaceOfAnother(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	want := Spec{Name: "test-declare", Driver: "nspawn", Nodes: 1, Isolated: true}
	home := Home{Dir: t.TempDir()}
	stranger := Home{Dir: t.TempDir()}
	if err := netns.Create(want.Name, stranger.testbed(want.Name)); err != nil {
		t.Fatal(err)
	}
	if _, err := Declare(context.Background(), home, want, nil, nil); !isHostError(err) {
		t.Errorf("in a namespace of another folder: %v, want an error that the host has it", err)
	}
	if err := netns.Delete(want.Name); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(home.testbed(want.Name)); err != nil {
		t.Fatal(err)
	}
	if err := netns.Create(want.Name, home.testbed(want.Name)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netns.Delete(want.Name); err != nil {
			t.Error(err)
		}
	})
	if err := exec.Command("nsenter", "--net="+netns.Path(want.Name), "ip", "link", "add", "old", "type", "bridge").Run(); err != nil {
		t.Fatal(err)
	}
	argv := netns.Argv(want.Name, "sleep", "60")
	other := exec.Command(argv[0], argv[1:]...)
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if pids, err := netns.Processes(want.Name); err != nil || len(pids) > 0 {
			break // it has entered
		}
	}
	_, err := Declare(context.Background(), home, want, nil, nil)
	var u *UsageError
	if !errors.As(err, &u) {
		t.Errorf("while another testbed runs in it: %v, want a usage error", err)
	}
	_ = other.Process.Kill()
	_ = other.Wait()
	if _, err := Declare(context.Background(), home, want, nil, nil); err != nil {
		t.Fatalf("when nobody is in it: %v", err)
	}
	if out, err := exec.Command("nsenter", "--net="+netns.Path(want.Name), "ip", "link", "show", "old").CombinedOutput(); err == nil {
		t.Errorf("the old bridge is still there: %s", out)
	}
}

func isHostError(err error) bool {
	var h *machine.HostError
	return errors.As(err, &h)
}
