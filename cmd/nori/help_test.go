package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
)

// TestHelpInKorean reads every command's help: none of cobra's own English words
// may be left in it.
func TestHelpInKorean(t *testing.T) {
	lang.Set("ko")
	t.Cleanup(func() { lang.Set("en") })
	root := newRootCommand(&globals{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard})
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		if c.DisableFlagParsing || c.Name() == "completion" { // kubectl's, and cobra's scripts
			return
		}
		var out bytes.Buffer
		c.SetOut(&out)
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		for _, english := range []string{"Usage:", "Commands:", "Flags:", "help for", "(default", "Use \"", "Help about"} {
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
