package testbed

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/netns"
)

// fakeHost is what is left on a host, in place of what the drivers find.
type fakeHost struct {
	left []machine.Leftover
	// removed are the leftovers that were, by what they are.
	removed []string
	unseen  error
	asked   []string
}

// fakeHostOf puts a fake in the place of all drivers.
func fakeHostOf(t *testing.T) *fakeHost {
	t.Helper()
	h := &fakeHost{}
	real := drivers
	drivers = slices.Clone(drivers)
	t.Cleanup(func() { drivers = real })
	for i := range drivers {
		drivers[i].leftovers = func(context.Context, machine.Look, []string) ([]machine.Leftover, error) { return nil, nil }
	}
	drivers[0].leftovers = func(_ context.Context, _ machine.Look, connects []string) ([]machine.Leftover, error) {
		h.asked = connects
		return slices.Clone(h.left), h.unseen
	}
	return h
}

// leave adds a leftover; with a cause it can't be removed.
func (h *fakeHost) leave(name, dir, what string, cause error) {
	h.left = append(h.left, machine.Leftover{Testbed: name, Dir: dir, What: lang.Text{EN: what, KO: what},
		Remove: func(context.Context) error {
			h.removed = append(h.removed, what)
			if cause == nil {
				h.left = slices.DeleteFunc(h.left, func(l machine.Leftover) bool { return l.What.EN == what })
			}
			return cause
		}})
}

func TestSweep(t *testing.T) {
	host := fakeHostOf(t)
	h, s := written(t)
	leaveNote(t, h, s)
	spoil(t, h, "x", `{"spec": {"connect": "qemu+ssh://far/system", `)
	host.leave("x", h.testbed("x"), "processes", nil)
	host.leave("x", "/other home/testbeds/x", "another's", nil)
	host.leave("y", h.testbed("y"), "y's", nil)
	host.leave("x", h.testbed("x"), "mounts", nil)
	if err := errors.Join(os.Mkdir(h.locks(), 0o755), os.WriteFile(h.lockFile("x"+faultLock), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	before := h.Leftovers(t.Context(), "x")
	if want := "processes, mounts, the folder " + h.testbed("x") + ", a lock's file"; before.What().EN != want {
		t.Errorf("left: %s, want %s", before.What(), want)
	}
	if want := "NORI_HOME='/other home' nori down --name x"; !strings.Contains(before.Elsewhere(), want) {
		t.Errorf("of another home is said %q, want %s", before.Elsewhere(), want)
	}
	if !slices.Equal(host.asked, []string{"", "qemu+ssh://far/system"}) {
		t.Errorf("asked at %q", host.asked)
	}
	if lost, err := h.Lost(t.Context()); err != nil || !slices.Equal(lost, []string{"x", "y"}) {
		t.Errorf("lost: %q, %v", lost, err)
	}
	if _, err := h.Sweep(t.Context(), "x", quietly); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(host.removed, []string{"processes", "mounts"}) {
		t.Errorf("removed %q", host.removed)
	}
	if files, _ := filepath.Glob(h.Dir + "/*/*"); len(files) > 0 {
		t.Errorf("left: %q", files)
	}
	if _, err := os.Stat(h.noteFile("x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its note in the cache: %v", err)
	}
}

// leaveNote leaves the note of a testbed in a cache of the test's own.
func leaveNote(t *testing.T, h Home, s State) {
	t.Helper()
	t.Setenv("NORI_CACHE", t.TempDir())
	if err := (&Testbed{home: h, state: s}).noteUse(); err != nil {
		t.Fatal(err)
	}
}

// TestSweepGoesOn: what can't be removed leaves the rest alone, and is told.
func TestSweepGoesOn(t *testing.T) {
	host := fakeHostOf(t)
	h, s := Home{t.TempDir()}, State{Spec: DefaultSpec()}
	s.Spec.Name = "x"
	leaveNote(t, h, s)
	host.leave("x", h.testbed("x"), "stuck", errors.New("it is stuck"))
	host.leave("x", h.testbed("x"), "mounts", nil)
	_, err := h.Sweep(t.Context(), "x", quietly)
	if err == nil || !strings.Contains(err.Error(), "it is stuck") || !slices.Equal(host.removed, []string{"stuck", "mounts"}) {
		t.Errorf("%v, removed %q", err, host.removed)
	}
	if _, err := os.Stat(h.noteFile("x")); err != nil {
		t.Errorf("of what is still there the note is gone: %v", err)
	}
	host.left[0].Remove = func(context.Context) error { return nil } // and does nothing
	if _, err := h.Sweep(t.Context(), "x", quietly); err == nil || !strings.Contains(err.Error(), "still left: stuck") {
		t.Errorf("what is still there is taken for removed: %v", err)
	}
}

// TestSweepOfWhatIsThere: somebody may have made the testbed meanwhile.
func TestSweepOfWhatIsThere(t *testing.T) {
	host := fakeHostOf(t)
	h, _ := written(t)
	host.leave("x", h.testbed("x"), "its machines", nil)
	if _, err := h.Sweep(t.Context(), "x", quietly); err == nil || len(host.removed) > 0 {
		t.Errorf("%v, removed %q", err, host.removed)
	}
	if lost, err := h.Lost(t.Context()); err != nil || len(lost) > 0 {
		t.Errorf("lost: %q, %v", lost, err)
	}
}

// TestSweepOfUnknownDriver: machines of a driver that this nori does not have would be
// forgotten with the folder.
func TestSweepOfUnknownDriver(t *testing.T) {
	fakeHostOf(t)
	h, _ := written(t)
	newer := `{"version": 9, "spec": {"name": "x", "driver": "other"}}`
	if err := os.WriteFile(filepath.Join(h.testbed("x"), stateFile), []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Sweep(t.Context(), "x", quietly); err == nil || !strings.Contains(err.Error(), `"other"`) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(h.testbed("x")); err != nil {
		t.Error("the folder is gone")
	}
}

// TestMakeRoom: up clears away what nobody can want, and nothing else.
func TestMakeRoom(t *testing.T) {
	host := fakeHostOf(t)
	h := Home{t.TempDir()}
	cleared := ""
	o := DeclareOptions{Cleared: func(what lang.Text) { cleared = what.EN }}
	if err := h.makeRoom(t.Context(), "x", o); err != nil || cleared != "" {
		t.Errorf("where nothing is left: %v, cleared %q", err, cleared)
	}
	root := filepath.Join(h.testbed("x"), "nspawn", "machines", "node1", "root")
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	host.leave("x", h.testbed("x"), "processes", nil)
	if err := h.makeRoom(t.Context(), "x", o); err != nil || !strings.HasPrefix(cleared, "processes, the folder ") {
		t.Errorf("of a folder that was removed: %v, cleared %q", err, cleared)
	}
	if err := errors.Join(os.MkdirAll(root, 0o755), os.WriteFile(filepath.Join(root, "work"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	host.leave("x", h.testbed("x"), "processes", nil)
	host.removed = nil
	err := h.makeRoom(t.Context(), "x", o)
	if err == nil || !strings.Contains(err.Error(), "`nori down` removes it") || len(host.removed) > 0 {
		t.Errorf("where files are: %v, removed %q", err, host.removed)
	}
}

// TestUpAfterDown: the second half of an isolated up makes nothing of what was removed
// since its first half.
func TestUpAfterDown(t *testing.T) {
	fakeHostOf(t)
	h := Home{t.TempDir()}
	want := DefaultSpec()
	want.Subnet = "10.77.9.0/24"
	_, err := Declare(t.Context(), h, want, nil, DeclareOptions{Again: true})
	if !errors.Is(err, ErrNoTestbed) || !strings.Contains(err.Error(), "was removed meanwhile; `nori up --name noriter` makes it anew") {
		t.Errorf("got %v", err)
	}
	if files, _ := filepath.Glob(h.Dir + "/*/*"); len(files) > 0 {
		t.Errorf("left: %q", files)
	}
}

// TestSymbolicLink in the place of a testbed's folder: only the link goes.
func TestSymbolicLink(t *testing.T) {
	fakeHostOf(t)
	h, _ := written(t)
	away := filepath.Join(t.TempDir(), "away")
	if err := errors.Join(os.Rename(h.testbed("x"), away), os.Symlink(away, h.testbed("x"))); err != nil {
		t.Fatal(err)
	}
	left, err := h.Sweep(t.Context(), "x", quietly)
	if err != nil || !strings.Contains(left.What().EN, "what it leads to stays") {
		t.Errorf("%v: %v", left.What(), err)
	}
	if _, err := os.Stat(filepath.Join(away, stateFile)); err != nil {
		t.Error("what the link led to is gone")
	}
	if _, err := os.Lstat(h.testbed("x")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the link is still there")
	}
}

// TestFolderWithAMount: behind a mount that is not ours may be anything.
func TestFolderWithAMount(t *testing.T) {
	needsRoot(t)
	h, _ := written(t)
	at := filepath.Join(h.testbed("x"), "it's mine")
	if err := os.Mkdir(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("mine", at, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
	if err := os.WriteFile(filepath.Join(at, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := Open(h, "x")
	if err != nil {
		t.Fatal(err)
	}
	err = b.Down(t.Context(), quietly)
	if !isHostError(err) || !strings.Contains(err.Error(), `umount '`) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(at, "file")); err != nil {
		t.Error("a file behind a mount is gone")
	}
}

// TestLoopbackIsNoLeftover: a command that is inside a testbed's namespace sees the
// loopback with the mark of that.
func TestLoopbackIsNoLeftover(t *testing.T) {
	needsRoot(t)
	const name = "test-lostnet"
	testbeds := t.TempDir()
	if err := netns.Create(name, filepath.Join(testbeds, name)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netns.Delete(name); err != nil {
			t.Error(err)
		}
	})
	err := netns.Do(name, func() error {
		nets, err := lostNetworks(machine.Look{Testbeds: testbeds, Names: []string{name}})
		nets = slices.DeleteFunc(nets, func(l machine.Leftover) bool { return l.Testbed != name })
		if len(nets) != 1 || !isNamespace(nets[0]) {
			t.Errorf("found %+v, want the namespace alone", nets)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestVisitors: whoever has left, or was killed, is none.
func TestVisitors(t *testing.T) {
	h, _ := written(t)
	b, err := Open(h, "x")
	if err != nil {
		t.Fatal(err)
	}
	see := func(want ...Visitor) {
		t.Helper()
		if got, err := h.Visitors("x"); err != nil || !slices.Equal(got, want) {
			t.Errorf("visitors %v, %v; want %v", got, err, want)
		}
	}
	see()
	leave := b.Visit("nori shell") // one's own process is not told of
	see()
	runtime.GC()
	runtime.GC() // the first one queues what has to be closed
	if abandoned(filepath.Join(h.visitors("x"), strconv.Itoa(os.Getpid()))) {
		t.Error("a visit ended by itself")
	}
	other := filepath.Join(h.visitors("x"), "1")
	f, err := tryLock(other)
	if err != nil || f == nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, []byte("nori lab start pods"), 0o600); err != nil {
		t.Fatal(err)
	}
	see(Visitor{1, "nori lab start pods"})
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	see()
	leave()
	if files, _ := os.ReadDir(h.visitors("x")); len(files) > 0 {
		t.Errorf("left: %v", files)
	}
}
