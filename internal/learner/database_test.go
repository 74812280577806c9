package learner

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCallerAsksOnce counts the programs that ask the user database.
func TestCallerAsksOnce(t *testing.T) {
	u := other(t)
	kept := users
	t.Cleanup(func() { users = kept })
	users = newDatabase()
	dir := t.TempDir()
	asked := filepath.Join(dir, "asked")
	for _, prog := range []string{"getent", "id"} {
		script := fmt.Sprintf("#!/bin/sh\necho %s >>%s\nPATH=%s exec %[1]s \"$@\"\n", prog, asked, os.Getenv("PATH"))
		if err := os.WriteFile(filepath.Join(dir, prog), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("SUDO_USER", u.Name)
	t.Setenv("SUDO_UID", fmt.Sprint(u.UID))
	t.Setenv("SUDO_GID", fmt.Sprint(u.GID))
	for range 3 {
		got, err := Caller()
		if err != nil || got.UID != u.UID || got.Shell != u.Shell || len(got.Groups) != len(u.Groups) || got.stranger {
			t.Fatalf("%+v, %v", got, err)
		}
		got.Shell, got.stranger = "/changed", true
	}
	lines, err := os.ReadFile(asked)
	if err != nil || string(lines) != "getent\nid\n" {
		t.Errorf("asked: %q, %v", strings.Fields(string(lines)), err)
	}
	// Somebody else, who is not there, is asked for each time.
	t.Setenv("SUDO_USER", "no-such-user")
	for range 2 {
		if _, err := Caller(); err == nil {
			t.Error("there is none")
		}
	}
	if lines, err = os.ReadFile(asked); err != nil || string(lines) != "getent\nid\ngetent\ngetent\n" {
		t.Errorf("asked: %q, %v", strings.Fields(string(lines)), err)
	}
}
