package testbed

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLostKeys: a key that machines were given is never made anew in silence, others
// are; and without any the testbed can still be looked at and removed.
func TestLostKeys(t *testing.T) {
	for _, c := range []struct {
		file  string
		inUse bool
	}{{"id_ed25519", true}, {"host_control", true}, {"host_node1", true}, {"host_node7", false}} {
		for how, damage := range map[string]func(path string) error{
			"removed": os.Remove,
			"emptied": func(path string) error { return os.Truncate(path, 0) },
			"cut":     func(path string) error { return os.Truncate(path, 100) },
		} {
			b := bedOf(t, "node1")
			b.state.Spec.Driver = "nspawn"
			if err := b.writeState(); err != nil {
				t.Fatal(err)
			}
			if _, err := b.sshKeys(); err != nil {
				t.Fatal(err)
			}
			if err := damage(filepath.Join(b.Dir(), "ssh", c.file)); err != nil {
				t.Fatal(err)
			}
			b.ssh = nil
			_, err := b.sshKeys()
			switch {
			case !c.inUse && err != nil:
				t.Errorf("%s, which no machine has, %s: %v", c.file, how, err)
			case c.inUse && (err == nil || !strings.Contains(err.Error(), "`nori down --name noriter` and `nori up --name noriter`")):
				t.Errorf("%s %s: %v; want what to type", c.file, how, err)
			}
			if _, err := b.open(); err != nil {
				t.Errorf("%s %s: it can't be looked at: %v", c.file, how, err)
			}
		}
	}
}

// TestKeysInterrupted: a run that was killed while it made the keys is completed.
func TestKeysInterrupted(t *testing.T) {
	b := bedOf(t, "node1")
	if _, err := b.sshKeys(); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"host_node1", "host_node5", "host_node9"} {
		if err := os.Remove(filepath.Join(b.Dir(), "ssh", file)); err != nil {
			t.Fatal(err)
		}
	}
	b.ssh = nil
	if _, err := b.sshKeys(); err != nil {
		t.Error(err)
	}
}
