package testbed

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"noriter.dev/noriter/internal/build"
	"noriter.dev/noriter/internal/format"
)

// homeWith has a testbed with a state as given.
func homeWith(t *testing.T, name, state string) Home {
	t.Helper()
	t.Setenv("NORI_CACHE", t.TempDir())
	h := Home{t.TempDir()}
	path := filepath.Join(h.testbed(name), stateFile)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(state), 0o600)); err != nil {
		t.Fatal(err)
	}
	return h
}

func recorded(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "format0", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestOlderState reads what a nori before format numbers wrote of a testbed that was
// up, and writes it as of now.
func TestOlderState(t *testing.T) {
	h := homeWith(t, "cache1", recorded(t, stateFile))
	b, err := Open(h, "cache1")
	if err != nil {
		t.Fatal(err)
	}
	s := b.State()
	if !s.Ready || s.ImageID != "19d9f550f6f9" || !s.Spec.Isolated || s.Spec.Nodes != 1 || s.Subnet.String() != "10.77.0.0/24" || s.Programs.Sum != "" {
		t.Errorf("read as %+v", s)
	}
	if err := b.writeState(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(h, "cache1")
	if err != nil || again.state.Version != stateVersion || again.state.Nori != build.Version() || again.state.ImageID != s.ImageID {
		t.Errorf("written as %+v, %v", again.state, err)
	}
}

// TestNewerStateIsLeft: whoever does not know the format leaves all as it is.
func TestNewerStateIsLeft(t *testing.T) {
	state := strings.Replace(recorded(t, stateFile), "{", `{"version": 3, "nori": "v9",`, 1)
	h := homeWith(t, "cache1", state)
	spec := DefaultSpec()
	spec.Name = "cache1"
	for what, do := range map[string]func() error{
		"open": func() error { _, err := Open(h, "cache1"); return err },
		"declare": func() error {
			_, err := Declare(t.Context(), h, spec, nil, DeclareOptions{Waiting: quietly})
			return err
		},
		"up": func() error {
			return (&Testbed{home: h, state: State{Spec: spec}}).Up(t.Context(), RunOptions{Waiting: quietly})
		},
		"down": func() error { return (&Testbed{home: h, state: State{Spec: spec}}).Down(t.Context(), quietly) },
	} {
		var newer *format.NewerError
		if err := do(); !errors.As(err, &newer) || !strings.Contains(err.Error(), "nori v9") {
			t.Errorf("%s: %v", what, err)
		}
		if b, err := os.ReadFile(filepath.Join(h.testbed("cache1"), stateFile)); err != nil || string(b) != state {
			t.Errorf("%s changed it: %s, %v", what, b, err)
		}
	}
	// Another testbed must not get its addresses, whatever else it has.
	shared := strings.Replace(state, `"isolated": true`, `"isolated": false`, 1)
	h = homeWith(t, "cache1", shared)
	if got, err := h.subnets(); err != nil || len(got) != 1 || got[0].String() != "10.77.0.0/24" {
		t.Errorf("the subnets in use are %v, %v", got, err)
	}
}

// folderOfPrograms has programs with some content.
func folderOfPrograms(t *testing.T, content string) string {
	t.Helper()
	dir := t.TempDir()
	for _, p := range sent {
		if err := os.WriteFile(filepath.Join(dir, p), []byte(content+p), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestOutdated: a reset takes the time of a `nori up` only where the snapshot has others'
// programs, or nobody knows which.
func TestOutdated(t *testing.T) {
	b := bedOf(t, "node1")
	mine, others := folderOfPrograms(t, "mine"), folderOfPrograms(t, "others")
	outdated := func(snapshot string, want bool) {
		t.Helper()
		if got, err := b.Outdated(snapshot, mine); err != nil || got != want {
			t.Errorf("%s is outdated: %v, %v", snapshot, got, err)
		}
	}
	outdated(StartSnapshot, true)
	if b.state.Saved[StartSnapshot].by().EN != "an older nori" {
		t.Error("a snapshot of nobody knows whom")
	}
	for _, dir := range []string{others, mine} {
		p, err := programsIn(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.noteSaved(StartSnapshot, p); err != nil {
			t.Fatal(err)
		}
		outdated(StartSnapshot, dir == others)
	}
	kept, err := Open(b.home, b.Name())
	if err != nil || kept.state.Saved[StartSnapshot].Nori != build.Version() {
		t.Errorf("kept is %+v, %v", kept.state.Saved, err)
	}
	// While one of the name is being saved, it may be the old one or the new one.
	if err := b.forgetSaved(StartSnapshot); err != nil {
		t.Fatal(err)
	}
	outdated(StartSnapshot, true)
	if _, err := b.Outdated(StartSnapshot, t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without programs: %v", err)
	}
}

func TestRenewalIsAListOfItsOwn(t *testing.T) {
	b := bedOf(t, "node1")
	r := newResetRun(b, nil, snapshotOf("control", "node1"), "")
	defer r.close()
	for snapshot, saves := range map[string]bool{StartSnapshot: true, "mine": false} {
		u := &upRun{testbed: b, cluster: b.newCluster("")}
		steps := renamed(u.renewal(snapshot))
		checkSteps(t, append(r.steps(), steps...))
		if last := steps[len(steps)-1].ID; (last == "renew snapshot") != saves {
			t.Errorf("the last step after %s is %q", snapshot, last)
		}
	}
}
