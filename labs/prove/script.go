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
		out = append(out, statement{text: strings.TrimSpace(script[s.Pos().Offset():end]), acts: acts(s)})
	}
	return out, nil
}

// looks are the commands of kubectl that change nothing.
var looks = []string{"get", "describe", "logs", "wait", "rollout status", "rollout history", "explain", "top", "config", "version", "auth"}

// looksOnMachines are the commands that change nothing on a machine.
var looksOnMachines = []string{"cat", "curl", "grep", "journalctl", "ls"}

// acts says whether a statement does something that the step is about. One that keeps its
// output in a file or a variable is what another one needs: without it that one fails,
// which is no way that anybody goes.
func acts(s *syntax.Stmt) bool {
	found := false
	syntax.Walk(s, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		var words []string
		for _, a := range call.Args {
			words = append(words, a.Lit())
		}
		found = found || changes(words)
		return true
	})
	return found
}

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
