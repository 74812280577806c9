package libvirt

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"noriter.dev/noriter/provision/machine"
)

// TestLeftovers finds a testbed's domains and network by their marks alone, and those
// of another of the same name, whose folder is elsewhere.
func TestLeftovers(t *testing.T) {
	g := newPlayground(t)
	must(t, up(t.Context(), g.nori(t)))
	connect := "qemu+unix:///system?socket=" + g.socket
	look := func() []machine.Leftover {
		t.Helper()
		found, err := lostMarked(t.Context(), connect)
		must(t, err)
		return found
	}
	found := look()
	if len(found) != 1 || found[0].Testbed != "demo" || found[0].Dir != g.tb.Dir || found[0].What.EN != "libvirt's domains (2) and networks (1)" {
		t.Fatalf("found %+v", found)
	}
	another := leftoversOf([]mark{{Name: "demo", Dir: "/elsewhere"}, {Name: "demo", Dir: g.tb.Dir, Machine: "control"}}, connect)
	if len(another) != 2 || another[0].Dir != "/elsewhere" {
		t.Errorf("two folders are one: %+v", another)
	}
	must(t, another[0].Remove(t.Context()))
	g.wantUp(t) // nothing of ours went
	must(t, found[0].Remove(t.Context()))
	g.wantGone(t)
	if left := look(); len(left) > 0 {
		t.Errorf("left: %+v", left)
	}
}

// TestLeftoversWithoutLibvirt: most hosts have none.
func TestLeftoversWithoutLibvirt(t *testing.T) {
	found, err := lostMarked(t.Context(), "qemu+unix:///system?socket="+filepath.Join(t.TempDir(), "none"))
	if err != nil || len(found) > 0 {
		t.Errorf("%v, %v", found, err)
	}
	if !nobodyThere(fs.ErrPermission) || nobodyThere(errors.New("it hangs")) || nobodyThere(nil) {
		t.Error("what is no answer and what is one is mixed up")
	}
	if _, err := lostMarked(t.Context(), "http://x"); err == nil || !strings.Contains(err.Error(), "http") {
		t.Errorf("an address that is none: %v", err)
	}
}
