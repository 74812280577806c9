package podspec

import "strings"

// expand replaces every $(NAME) in text by lookup's answer. $$ stands for one $, so
// $$(NAME) comes out as $(NAME); a name that lookup doesn't know stays as written,
// and so does everything that is no complete reference.
// Source: the API reference of Container.args, and
// third_party/forked/golang/expansion of Kubernetes for the corner cases.
func expand(text string, lookup func(name string) (string, bool)) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "$")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		switch {
		case strings.HasPrefix(rest, "$"):
			out.WriteByte('$')
			text = rest[1:]
		case strings.HasPrefix(rest, "("):
			name, after, closed := strings.Cut(rest[1:], ")")
			if !closed {
				out.WriteString("$(") // never closed: the rest is plain text
				text = rest[1:]
				continue
			}
			if value, known := lookup(name); known {
				out.WriteString(value)
			} else {
				out.WriteString("$(" + name + ")")
			}
			text = after
		default:
			out.WriteByte('$')
			text = rest
		}
	}
}

// expandAll expands each of a command's words.
func expandAll(words []string, lookup func(string) (string, bool)) []string {
	if words == nil {
		return nil
	}
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = expand(w, lookup)
	}
	return out
}

// ExpandStatic expands a probe's command by those variables of a container that
// have a literal value, the only ones known without asking the API.
func ExpandStatic(command []string, env map[string]string) []string {
	return expandAll(command, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
}
