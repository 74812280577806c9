package testbed

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"noriter.dev/noriter/internal/format"
	"noriter.dev/noriter/provision/image"
	"noriter.dev/noriter/provision/inuse"
)

// withDisks is a testbed in a home of its own, whose machines' disks lie on an image.
func withDisks(t *testing.T, imageID string) *Testbed {
	t.Helper()
	b := bedOf(t, "node1")
	for _, d := range drivers {
		if d.traits.Disk {
			b.state.Spec.Driver = d.name
		}
	}
	b.state.ImageID = imageID
	if err := errors.Join(b.writeState(), b.noteUse()); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestStandingOn is about homes that share a cache.
func TestStandingOn(t *testing.T) {
	t.Setenv("NORI_CACHE", t.TempDir())
	mine, other := withDisks(t, "abc"), withDisks(t, "abc")
	standing := func(want ...string) {
		t.Helper()
		if got, err := mine.home.standingOn("abc"); err != nil || !slices.Equal(got, want) {
			t.Errorf("on the image stand %q, %v; want %q", got, err, want)
		}
	}
	standing(other.Dir(), "noriter")
	// What a testbed has become counts, and not what it was when it left the note.
	other.state.ImageID = "def"
	if err := other.writeState(); err != nil {
		t.Fatal(err)
	}
	standing("noriter")
	other.state.ImageID = "abc"
	if err := other.writeState(); err != nil {
		t.Fatal(err)
	}
	standing(other.Dir(), "noriter")
	// A state that can't be read may be that of machines.
	spoil(t, other.home, other.Name(), "{")
	standing(other.Dir(), "noriter")
	// Removed without us.
	if err := os.RemoveAll(other.Dir()); err != nil {
		t.Fatal(err)
	}
	standing("noriter")
	// One on another host's disks, one that has no machines yet, and containers.
	for _, change := range []func(*State){
		func(s *State) { s.Spec.Connect = "qemu+ssh://host/system" },
		func(s *State) { s.ImageID = "" },
		func(s *State) { s.Spec.Driver = drivers[len(drivers)-1].name },
	} {
		s := mine.state
		change(&s)
		if err := mine.home.writeState(mine.Name(), s); err != nil {
			t.Fatal(err)
		}
		standing()
	}
}

func TestNotesOfOthers(t *testing.T) {
	t.Setenv("NORI_CACHE", t.TempDir())
	b := withDisks(t, "abc")
	note := b.home.noteFile(b.Name())
	for content, wanted := range map[string]string{"": "", "{": "", "{}": "", `{"version":2,"nori":"v9","home":"/x","testbed":"y"}`: "nori v9"} {
		if err := os.WriteFile(filepath.Join(b.home.notes(), "other.json"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		all, err := b.home.tenants()
		var newer *format.NewerError
		switch {
		case wanted == "" && (err != nil || len(all) != 1):
			t.Errorf("%q: %v, %v", content, all, err)
		case wanted != "" && (!errors.As(err, &newer) || !strings.Contains(err.Error(), wanted)):
			t.Errorf("%q: %v", content, err)
		}
	}
	l, err := b.home.lock(t.Context(), b.Name(), "down", quietly)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.forget(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(note); err == nil {
		t.Error("the note of a testbed that is gone is there")
	}
}

// TestWhatToType: the commands name the testbeds that are in the way, and their homes.
func TestWhatToType(t *testing.T) {
	t.Setenv("NORI_CACHE", t.TempDir())
	mine, other := withDisks(t, "abc"), withDisks(t, "abc")
	for what, c := range map[string]struct {
		err  error
		says []string
	}{
		"disks": {&image.InUseError{ID: "abc", Damage: errors.New("x"), Testbeds: []string{"noriter"}}, []string{"`nori down`, then `nori up` makes it again"}},
		"another home": {&image.InUseError{ID: "abc", Damage: errors.New("x"), Users: []inuse.User{{Mount: other.Dir() + "/m/node1/root"}}},
			[]string{"`NORI_HOME='" + other.home.Dir + "' nori down --name noriter`"}},
		"a stranger": {&image.InUseError{ID: "abc", Damage: errors.New("x"), Users: []inuse.User{{PID: 77, Command: "qemu"}}}, []string{"process 77 (qemu)", "once that has ended"}},
	} {
		err := mine.whatToType(c.err)
		for _, says := range c.says {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v does not say %s", what, err, says)
			}
		}
	}
	if err := mine.whatToType(nil); err != nil {
		t.Error(err)
	}
}
