package cheatsheets

import (
	"regexp"
	"slices"
	"strings"
)

const interrupt = "^C"

// inner is the prompt of a shell in a container or on a machine, with what is
// typed behind it.
var inner = regexp.MustCompile(`^(/|~|root@\S+:\S+) ?[#$] (.*)$`)

// Interrupted says that the command runs on until it is interrupted.
func (c Command) Interrupted() bool {
	return len(c.Output) > 0 && c.Output[len(c.Output)-1] == interrupt
}

// Background says that the command runs beside those that follow.
func (c Command) Background() bool {
	return strings.HasSuffix(c.Line, "&") && !strings.HasSuffix(c.Line, "&&")
}

// Lines are the command and its output as a page shows them, without comment.
func (c Command) Lines() []string {
	lines := append(strings.Split(prompt+c.Line, "\n"), c.Output...)
	for i := 1; i <= strings.Count(c.Line, "\n"); i++ {
		lines[i] = goesOn + lines[i]
	}
	return lines
}

// Typed are the lines that are typed into a program that asks for them.
func (c Command) Typed() []string {
	var lines []string
	for _, o := range c.Output {
		if m := inner.FindStringSubmatch(o); m != nil {
			lines = append(lines, m[2])
		}
	}
	return lines
}

// Expected is the output without the ^C that ends it.
func (c Command) Expected() []string {
	if c.Interrupted() {
		return c.Output[:len(c.Output)-1]
	}
	return c.Output
}

// changing are the words of kubectl and nori that must not be said twice.
var changing = []string{"annotate", "apply", "autoscale", "cordon", "cp", "create", "delete", "drain", "edit", "expose",
	"inject", "kill", "label", "patch", "push", "recover", "replace", "reset", "restart", "restore", "run", "save", "scale",
	"set", "taint", "uncordon", "undo", "tee", "sed", "rm", "mv", "stop", "start"}

// Reads says that the command only looks, so that one who does not see yet
// what the page shows may look again.
func (c Command) Reads() bool {
	if c.Background() || len(c.Typed()) > 0 {
		return false
	}
	return !slices.ContainsFunc(strings.Fields(c.Line), func(f string) bool { return slices.Contains(changing, f) })
}
