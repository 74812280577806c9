package prove

import (
	_ "embed"
	"strings"
)

//go:embed otherwise.sh
var otherwise string

// byAnotherVerb does what the solution does by another verb of kubectl. What a command
// means, the API server says: it is asked for the object as it would be after it (a dry
// run), and that object is created, or replaces the one that is there, is merged into it,
// or is what an editor saves. What can't be asked for so, as `delete` and `exec`, is typed as it is.
func byAnotherVerb(s *solved) []attempt {
	how := ""
	for _, words := range s.commands("kubectl") {
		if verb := anotherVerb(words); how == "" || verb == "edit" && how == "patch" {
			how = verb
		}
	}
	if how == "" {
		return nil
	}
	return []attempt{{part: how, script: "change=" + how + "\n" + otherwise + s.text}}
}

// anotherVerb is what does the same as a command of kubectl, and is least like it.
func anotherVerb(words []string) string {
	if len(words) < 2 {
		return ""
	}
	switch words[1] {
	case "apply", "create", "run", "expose":
		return "replace"
	case "set", "scale", "patch":
		return "edit"
	case "label", "annotate":
		// What is taken away by leaving it out can't be merged.
		if strings.HasSuffix(words[len(words)-1], "-") {
			return "edit"
		}
		return "patch"
	}
	return ""
}
