package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/testbed"
)

// TestHelpInKorean reads every command's help: none of cobra's own English words
// may be left in it.
func TestHelpInKorean(t *testing.T) {
	lang.Set("ko")
	t.Cleanup(func() { lang.Set("en") })
	root := newRootCommand(&globals{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard})
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		if c.DisableFlagParsing { // kubectl's
			return
		}
		var out bytes.Buffer
		c.SetOut(&out)
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		for _, english := range []string{"Usage:", "Commands:", "Flags:", "help for", "(default", "Use \"", "Help about", "Generate", "To load", "You ", "disable "} {
			if strings.Contains(out.String(), english) {
				t.Errorf("%s --help says %q:\n%s", c.CommandPath(), english, out.String())
			}
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(root)
}

// TestFlagErrorsInKorean: what pflag finds wrong is said in the learner's language.
func TestFlagErrorsInKorean(t *testing.T) {
	lang.Set("ko")
	t.Cleanup(func() { lang.Set("en") })
	for _, args := range [][]string{
		{"up", "--nosuch"}, {"up", "-z"}, {"up", "--nodes"}, {"up", "--nodes", "x"}, {"up", "--isolated=perhaps"},
		{"up", "--=x"}, {"completion", "nosuch"}, {"reset", "--nosuch=1"},
	} {
		root := newRootCommand(&globals{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard})
		root.SetArgs(args)
		err := root.Execute()
		var usage *testbed.UsageError
		if !errors.As(err, &usage) {
			t.Errorf("%v: %v is no usage error", args, err)
			continue
		}
		for _, english := range []string{"flag", "argument", "syntax", "parsing", "unknown"} {
			if first, _, _ := strings.Cut(err.Error(), "\n"); strings.Contains(first, english) {
				t.Errorf("%v: %s", args, first)
			}
		}
	}
}
