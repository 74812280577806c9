// Package shell writes words into command lines of a POSIX shell.
package shell

import (
	"regexp"
	"strings"
)

// Quote makes one word of s, whatever is in it (POSIX.1, Shell Command Language,
// 2.2.2 Single-Quotes).
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// plain is what every shell reads as one word as it stands.
var plain = regexp.MustCompile(`^[\w./@%:+-]+$`)

// Word is s as a person would type it: quoted only where that is needed.
func Word(s string) string {
	if plain.MatchString(s) {
		return s
	}
	return Quote(s)
}

// Join makes a command line of words.
func Join(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = Quote(w)
	}
	return strings.Join(quoted, " ")
}
