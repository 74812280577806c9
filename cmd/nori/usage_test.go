package main

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"noriter.dev/noriter/testbed"
)

// TestWrongNumberOfArguments gives every command more arguments than it takes, and
// those that need some none: each must end with exit code 2, and must not begin.
func TestWrongNumberOfArguments(t *testing.T) {
	g := &globals{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}
	extra := slices.Repeat([]string{"extra"}, 9)
	tried := 0
	for _, path := range commandPaths(newRootCommand(g)) {
		c := typed(g, path, extra)
		if strings.Contains(c.Use, "…") { // it takes any number
			continue
		}
		tried++
		c.ends(t, exitUsage, extra)
		if _, rest, _ := strings.Cut(c.Use, " "); rest != "" && rest[0] != '[' {
			typed(g, path, nil).ends(t, exitUsage, nil)
		}
	}
	if tried < 30 {
		t.Errorf("only %d commands were tried", tried)
	}
}

// commandPaths are the words of every command but kubectl, whose arguments are
// kubectl's, and help, which cobra answers itself.
func commandPaths(c *cobra.Command) (paths [][]string) {
	if c.DisableFlagParsing || c.Name() == "help" {
		return nil
	}
	paths = append(paths, strings.Fields(c.CommandPath())[1:])
	for _, sub := range c.Commands() {
		paths = append(paths, commandPaths(sub)...)
	}
	return paths
}

// ran is what became of a command that was typed.
type ran struct {
	*cobra.Command
	g     *globals
	begun bool
	err   error
}

// typed is a command that was typed. One that does more than to hold others only notes that it
// was begun.
func typed(g *globals, path, args []string) *ran {
	root := newRootCommand(g)
	c, _, _ := root.Find(path) // it is one of the tree's own
	r := &ran{Command: c, g: g}
	if group := c.HasSubCommands() && !strings.Contains(c.Use, " "); !group {
		c.Run, c.RunE = nil, func(*cobra.Command, []string) error { r.begun = true; return nil }
	}
	root.SetArgs(append(slices.Clone(path), args...))
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	r.err = root.Execute()
	return r
}

func (r *ran) ends(t *testing.T, code int, args []string) {
	t.Helper()
	switch {
	case r.begun:
		t.Errorf("%s began with the arguments %q", r.CommandPath(), args)
	case r.err == nil:
		t.Errorf("%s took the arguments %q", r.CommandPath(), args)
	default:
		if got := r.g.explain(r.err, false); got != code {
			t.Errorf("%s with the arguments %q ends with exit code %d, want %d: %v", r.CommandPath(), args, got, code, r.err)
		}
	}
}

// TestNoRoot: that one can't become root is the host's, and has a remedy.
func TestNoRoot(t *testing.T) {
	var out strings.Builder
	g := &globals{stdin: strings.NewReader(""), stdout: io.Discard, stderr: &out}
	if code := g.explain(errNoRoot(), false); code != exitHost || !strings.Contains(out.String(), "sudo") {
		t.Errorf("exit code %d, and said: %s", code, out.String())
	}
}

// TestEmptyName: `nori --name "$T" down` with a variable that is not set must not mean
// another testbed.
func TestEmptyName(t *testing.T) {
	t.Setenv("NORI_HOME", t.TempDir())
	g := &globals{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}
	root := newRootCommand(g)
	root.SetArgs([]string{"--name", "", "down"})
	var usage *testbed.UsageError
	if err := root.Execute(); !errors.As(err, &usage) || !strings.Contains(err.Error(), "--name is empty") {
		t.Errorf("nori --name '' down: %v", err)
	}
}
