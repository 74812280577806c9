package prove

import (
	"fmt"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// statement is one command of a solution, as its author wrote it.
type statement struct {
	text string
	// acts says that something is otherwise when it has been left out: it is no look, no
	// wait, and does not only clear the way.
	acts bool
	// calls are its commands, as words; what a shell would fill in is left out of them.
	calls [][]string
}

// commands are the calls of a program in a solution.
func (s *solved) commands(program string) (out [][]string) {
	for _, one := range s.all {
		for _, words := range one.calls {
			if words[0] == program {
				out = append(out, words)
			}
		}
	}
	return out
}

// statements takes a script apart.
func statements(name, script string) ([]statement, error) {
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(script), name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	var out []statement
	for i, s := range file.Stmts {
		end := len(script)
		if i+1 < len(file.Stmts) { // a text after << belongs to the statement before it
			end = int(file.Stmts[i+1].Pos().Offset())
		}
		words := calls(s)
		out = append(out, statement{
			text:  strings.TrimSpace(script[s.Pos().Offset():end]),
			acts:  slices.ContainsFunc(words, changes),
			calls: words,
		})
	}
	return out, nil
}

// looks are the commands of kubectl that change nothing.
var looks = []string{"get", "describe", "logs", "wait", "rollout status", "rollout history", "explain", "top", "config", "version", "auth"}

// looksOnMachines are the commands that change nothing on a machine.
var looksOnMachines = []string{"cat", "curl", "grep", "journalctl", "ls"}

// calls are the commands within a statement, also those whose output another one takes.
func calls(s *syntax.Stmt) (out [][]string) {
	syntax.Walk(s, func(n syntax.Node) bool {
		if call, ok := n.(*syntax.CallExpr); ok && len(call.Args) > 0 {
			var words []string
			for _, a := range call.Args {
				words = append(words, a.Lit())
			}
			out = append(out, words)
		}
		return true
	})
	return out
}

// changes says whether a command does something that the step is about. A statement whose
// commands only look, and keep what they see in a file or a variable, is what another one
// needs: without it that one fails, which is no way that anybody goes.
func changes(words []string) bool {
	switch words[0] {
	case "kubectl":
		if slices.Contains(words, "--ignore-not-found") {
			return false
		}
		var rest []string
		for _, w := range words[1:] {
			if !strings.HasPrefix(w, "-") {
				rest = append(rest, w)
			}
		}
		command := strings.Join(rest, " ") + " "
		return !slices.ContainsFunc(looks, func(l string) bool { return strings.HasPrefix(command, l+" ") })
	case "nori": // nori ssh MACHINE -- COMMAND
		at := slices.Index(words, "--")
		return at < 0 || at+1 == len(words) || !slices.Contains(looksOnMachines, words[at+1])
	case "sed":
		return slices.Contains(words, "-i")
	}
	return false
}

// without is a script with one statement left out.
func without(all []statement, k int) string {
	var lines []string
	for i, s := range all {
		if i != k {
			lines = append(lines, s.text)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}
