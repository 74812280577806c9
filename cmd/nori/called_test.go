package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCommandsAreTypable: where nori is not on the PATH, texts name the path that works in
// its place, in commands and nowhere else.
func TestCommandsAreTypable(t *testing.T) {
	g := &globals{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, called: "bin/nori"}
	newRootCommand(g)
	for text, want := range map[string]string{
		"Next: \x1b[36mnori lab start pods\x1b[0m or nori shell":  "Next: \x1b[36mbin/nori lab start pods\x1b[0m or bin/nori shell",
		"`nori --name x up` repairs":                              "`bin/nori --name x up` repairs",
		"nori down; nori up --isolated   # or --subnet":           "bin/nori down; bin/nori up --isolated   # or --subnet",
		"(nori up --name a && nori --name a lab prove pods)":      "(bin/nori up --name a && bin/nori --name a lab prove pods)",
		"  nori lint web\n  nori lab start ./web":                 "  bin/nori lint web\n  bin/nori lab start ./web",
		"the programs of this nori; noriter's, nori-control lies": "the programs of this nori; noriter's, nori-control lies",
		"`/opt/nori up`, `bin/nori up`":                           "`/opt/nori up`, `bin/nori up`",
	} {
		if got := g.typable(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

// TestWhatThisProgramIsCalled: its name where that finds it, or else the way from here.
func TestWhatThisProgramIsCalled(t *testing.T) {
	self, err := thisProgram()
	if err != nil {
		t.Fatal(err)
	}
	dir, other := t.TempDir(), t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "nori")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(other, "nori"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, here, want string }{
		{dir + ":" + other, "/", "nori"},
		{other + ":" + dir, other, self}, // somebody else's comes first
		{"/usr/bin", filepath.Dir(self), "./" + filepath.Base(self)},
		{"/usr/bin", filepath.Dir(filepath.Dir(self)), filepath.Join(filepath.Base(filepath.Dir(self)), filepath.Base(self))},
	} {
		t.Setenv("PATH", c.path)
		t.Chdir(c.here)
		g := &globals{}
		if got := g.program(); got != c.want {
			t.Errorf("with PATH %s in %s: %s, want %s", c.path, c.here, got, c.want)
		}
		if got := g.programAnywhere(); got != "nori" && got != self {
			t.Errorf("in %s it is called %s anywhere", c.here, got)
		}
	}
}
