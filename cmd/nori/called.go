package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/ambient"
	"noriter.dev/noriter/internal/shell"
)

// Texts name our commands as they are typed where nori is on the PATH. Elsewhere, as after
// a build, that is no command: so what is printed for people passes typable, which puts the
// path of this program there.

// calledVariable tells this program, when it is run again by sudo, what to call it: sudo
// has a PATH of its own.
const calledVariable = "NORI_CALLED"

// ownCommands finds our commands in a text: by the words that follow, since a sentence may
// speak of nori, too. The path that has taken the place of a name is not found again.
func ownCommands(root *cobra.Command) *regexp.Regexp {
	var words []string
	for _, c := range root.Commands() {
		words = append(words, regexp.QuoteMeta(c.Name()))
	}
	return regexp.MustCompile("(^|[\\s(\"`]|\x1b\\[[0-9;]*m)nori((?: --(?:name|lang|home) \\S+| --plain| --no-color)* (?:" + strings.Join(words, "|") + ")\\b)")
}

// typable is a text in which our commands can be typed as they stand.
func (g *globals) typable(text string) string {
	if g.own == nil || !strings.Contains(text, "nori ") {
		return text
	}
	program := g.program()
	if program == "nori" {
		return text
	}
	return g.own.ReplaceAllString(text, "${1}"+strings.ReplaceAll(program, "$", "$$")+"${2}")
}

// program is what to type for this program: nori where that finds it, or else the shortest
// path from here.
func (g *globals) program() string {
	if g.called != "" {
		return g.called
	}
	self, err := thisProgram()
	if err != nil || onPath(self, ambient.Getenv("PATH")) {
		return "nori"
	}
	here, err := os.Getwd()
	if err != nil || here == "/" { // where who called may not be: see ambient.Settle
		return shell.Word(self)
	}
	rel, err := filepath.Rel(here, self)
	switch {
	case err != nil || strings.HasPrefix(rel, ".."):
		return shell.Word(self)
	case !strings.Contains(rel, "/"):
		return shell.Word("./" + rel)
	}
	return shell.Word(rel)
}

// programAnywhere is program from any folder: what labs say is typed in their own, and in
// other terminals.
func (g *globals) programAnywhere() string {
	program := g.program()
	if program == "nori" || strings.HasPrefix(strings.Trim(program, "'"), "/") {
		return program
	}
	self, err := thisProgram()
	if err != nil {
		return program
	}
	return shell.Word(self)
}

// onPath tells whether the first nori of a PATH is this program, or a copy of it.
func onPath(self, path string) bool {
	for _, dir := range filepath.SplitList(path) {
		found := filepath.Join(dir, "nori")
		if st, err := os.Stat(found); err != nil || st.IsDir() || st.Mode()&0o111 == 0 {
			continue
		}
		a, errA := filepath.EvalSymlinks(found)
		b, errB := filepath.EvalSymlinks(self)
		return errA == nil && errB == nil && (a == b || same(a, b))
	}
	return false
}
