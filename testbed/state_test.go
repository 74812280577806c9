package testbed

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"noriter.dev/noriter/internal/build"
	"noriter.dev/noriter/internal/lang"
)

// written is the state of a testbed named x, in its home.
func written(t *testing.T) (Home, State) {
	t.Helper()
	h := Home{t.TempDir()}
	s := State{Version: stateVersion, Nori: build.Version(), Spec: DefaultSpec(), Subnet: netip.MustParsePrefix("10.77.1.0/24"), Ready: true}
	s.Spec.Name = "x"
	if err := h.writeState("x", s); err != nil {
		t.Fatal(err)
	}
	return h, s
}

// spoil puts something in the place of a testbed's state and of its copy.
func spoil(t *testing.T, h Home, name, content string) {
	t.Helper()
	for _, file := range []string{stateFile, stateCopy} {
		if err := os.WriteFile(filepath.Join(h.testbed(name), file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestState(t *testing.T) {
	h, s := written(t)
	if _, err := Open(h, "y"); !errors.Is(err, ErrNoTestbed) || !strings.Contains(err.Error(), "`nori up --name y` makes one") {
		t.Errorf("opening what is not there: %v", err)
	}
	got, err := Open(h, "x")
	if err != nil || !reflect.DeepEqual(got.State(), s) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, other := range []string{"lost+found", ".new", "Not_A_Name"} {
		if err := os.Mkdir(h.testbed(other), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if names, err := h.Names(); err != nil || len(names) != 1 || names[0] != "x" {
		t.Errorf("names: %v, %v", names, err)
	}
}

// TestStateWithoutVersion: those of before had none.
func TestStateWithoutVersion(t *testing.T) {
	h, s := written(t)
	s.Version = 0
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.testbed("x"), stateFile), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Open(h, "x"); err != nil || !got.state.Ready {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestBrokenState: whatever is in the place of the state, nothing is done with it, and
// what to type is said.
func TestBrokenState(t *testing.T) {
	file := func(content string) func(string) error {
		return func(path string) error { return os.WriteFile(path, []byte(content), 0o600) }
	}
	instead := func(old, new string) func(string) error {
		return func(path string) error {
			data, err := os.ReadFile(path)
			if err != nil || !strings.Contains(string(data), old) {
				return errors.Join(err, errors.New("the state has no "+old))
			}
			return os.WriteFile(path, []byte(strings.Replace(string(data), old, new, 1)), 0o600)
		}
	}
	for what, spoil := range map[string]func(path string) error{
		"empty":             file(""),
		"only a line's end": file("\n"),
		"cut off":           file(`{"spec": {"name": "x", "dri`),
		"no object":         file("[]"),
		"a number":          file("7"),
		"nothing":           file("null"),
		"an empty object":   file("{}"), // would be a testbed without a name, in the folder of all
		"of another":        instead(`"name": "x"`, `"name": "y"`),
		"of another type":   instead(`"nodes": 2`, `"nodes": "two"`),
		"no workers":        instead(`"nodes": 2`, `"nodes": 0`),
		"too many workers":  instead(`"nodes": 2`, `"nodes": 2000000000`),
		"no subnet":         instead(`"10.77.1.0/24"`, `""`),
		"a subnet of IPv6":  instead(`"10.77.1.0/24"`, `"fd00::/24"`),
		"a worker of no name": instead(`"ready"`, `"workers": ["../x"],
			"ready"`),
		"a folder": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o755)) },
		"a loop":   func(path string) error { return errors.Join(os.Remove(path), os.Symlink(stateFile, path)) },
		"a folder that is a file": func(path string) error {
			dir := filepath.Dir(path)
			return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600))
		},
		"a folder that is a link": func(path string) error {
			dir := filepath.Dir(path)
			return errors.Join(os.Rename(dir, dir+".moved"), os.Symlink(dir+".moved", dir))
		},
	} {
		t.Run(what, func(t *testing.T) {
			h, _ := written(t)
			if err := os.Remove(filepath.Join(h.testbed("x"), stateCopy)); err != nil {
				t.Fatal(err)
			}
			if err := spoil(filepath.Join(h.testbed("x"), stateFile)); err != nil {
				t.Fatal(err)
			}
			_, err := Open(h, "x")
			var broken *BrokenState
			if !errors.As(err, &broken) || !strings.Contains(err.Error(), "`nori down` removes the testbed, then `nori up --name x` makes it anew") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestStateCopy: a state that is gone or damaged is read from its copy, and both are
// whole again as soon as something is written. What could not be written over, and what
// a newer nori wrote, keeps its message.
func TestStateCopy(t *testing.T) {
	for what, c := range map[string]struct {
		spoil func(path string) error
		copy  string // instead of the copy
		holds bool
	}{
		"gone":                      {spoil: os.Remove, holds: true},
		"empty":                     {spoil: func(path string) error { return os.Truncate(path, 0) }, holds: true},
		"cut off":                   {spoil: func(path string) error { return os.Truncate(path, 40) }, holds: true},
		"gone, and the copy is bad": {spoil: os.Remove, copy: "{"},
		"a folder":                  {spoil: func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o755)) }},
		"of a newer nori":           {spoil: func(path string) error { return os.WriteFile(path, []byte(`{"version": 3}`), 0o600) }},
		"gone, the copy of a newer": {spoil: os.Remove, copy: `{"version": 3}`},
	} {
		t.Run(what, func(t *testing.T) {
			h, s := written(t)
			path := filepath.Join(h.testbed("x"), stateFile)
			if err := c.spoil(path); err != nil {
				t.Fatal(err)
			}
			if c.copy != "" {
				if err := os.WriteFile(filepath.Join(h.testbed("x"), stateCopy), []byte(c.copy), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			b, err := Open(h, "x")
			if !c.holds {
				if err == nil || !strings.Contains(err.Error(), "`nori down`") {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(b.State(), s) {
				t.Fatalf("got %+v, %v", b, err)
			}
			if err := b.writeState(); err != nil {
				t.Fatal(err)
			}
			if data, err := os.ReadFile(path); err != nil || !strings.Contains(string(data), `"name": "x"`) {
				t.Errorf("the state was not written again: %s, %v", data, err)
			}
		})
	}
}

// TestNoStateButFiles: where files of a testbed are in the way of a new one, it is not
// `nori up` that is told to type.
func TestNoStateButFiles(t *testing.T) {
	h, _ := written(t)
	for _, file := range []string{stateFile, stateCopy} {
		if err := os.Remove(filepath.Join(h.testbed("x"), file)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(h, "x"); !errors.Is(err, ErrNoTestbed) || !strings.Contains(err.Error(), "`nori up --name x` makes one") && !strings.Contains(err.Error(), "`nori up` makes one") {
		t.Errorf("with an empty folder: %v", err)
	}
	if err := os.WriteFile(filepath.Join(h.testbed("x"), "steps.log"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(h, "x"); !errors.Is(err, ErrNoTestbed) || !strings.Contains(err.Error(), "`nori down` removes it, then `nori up --name x` makes a new one") {
		t.Errorf("with a file in it: %v", err)
	}
}

func TestNewerState(t *testing.T) {
	h, _ := written(t)
	newer := `{"version": 3, "spec": "quite another form"}`
	if err := os.WriteFile(filepath.Join(h.testbed("x"), stateFile), []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(h, "x")
	var broken *BrokenState
	if !errors.As(err, &broken) || !strings.Contains(err.Error(), "was written by a newer nori in format 3") {
		t.Errorf("got %v", err)
	}
	lang.Set(lang.Korean)
	defer lang.Set(lang.English)
	if ko := err.Error(); !strings.Contains(ko, "더 새로운 nori") {
		t.Errorf("in Korean: %s", ko)
	}
}

func TestSalvage(t *testing.T) {
	h, _ := written(t)
	spoil(t, h, "x", `{"spec": {"name": "x", "driver": "other", "connect": "qemu+ssh://far/system", "nod`)
	if err := os.Remove(filepath.Join(h.testbed("x"), stateFile)); err != nil { // the copy is enough
		t.Fatal(err)
	}
	for key, want := range map[string]string{"driver": "other", "connect": "qemu+ssh://far/system", "nodes": "", "nod": ""} {
		if got := h.salvage("x", key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

// TestCommand: a command that is told to type means the testbed that is spoken of.
func TestCommand(t *testing.T) {
	h, _ := written(t)
	check := func(name, want string) {
		t.Helper()
		if got := h.Command(name, "up"); got != want {
			t.Errorf("for %s: %q, want %q", name, got, want)
		}
	}
	check("x", "nori up") // the only one
	check(DefaultName, "nori up --name noriter")
	if h.Nori("x") != "nori" || h.Nori("y") != "nori --name y" {
		t.Errorf("%q, %q", h.Nori("x"), h.Nori("y"))
	}
	if err := os.Mkdir(h.testbed("y"), 0o755); err != nil {
		t.Fatal(err)
	}
	check("x", "nori up --name x") // of two none is meant
	if err := os.Mkdir(h.testbed(DefaultName), 0o755); err != nil {
		t.Fatal(err)
	}
	check(DefaultName, "nori up")
	t.Setenv("NORI_TESTBED", "y") // as in a shell of y's
	check("y", "nori up")
	check(DefaultName, "nori up --name noriter")
	empty := Home{t.TempDir()}
	t.Setenv("NORI_TESTBED", "")
	if got := empty.Command(DefaultName, "up"); got != "nori up" {
		t.Errorf("where there is none: %q", got)
	}
}

// TestHomeBehindALink: the kernel tells of mounts without links, and so do we.
func TestHomeBehindALink(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "real"), 0o755), os.Symlink("real", filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"link": "real", "link/not/there/yet": "real/not/there/yet", "no/link": "no/link"} {
		t.Setenv("NORI_HOME", filepath.Join(dir, path))
		if h, err := FindHome(); err != nil || h.Dir != filepath.Join(dir, want) {
			t.Errorf("%s: %v, %v", path, h, err)
		}
	}
}
