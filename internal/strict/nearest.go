package strict

import (
	"fmt"
	"strings"

	"noriter.dev/noriter/internal/lang"
)

// Nearest is the known word that somebody who typed got most likely meant: the
// one with the smallest edit distance, whatever the case, or the empty string
// if even that is too far away to be worth a suggestion. Of two that are as
// near, it is the first.
func Nearest(got string, known []string) string {
	best, limit := "", len(got)/2+1
	for _, k := range known {
		if d := distance(strings.ToLower(got), strings.ToLower(k)); d <= limit {
			best, limit = k, d-1
		}
	}
	return best
}

// Suggest is what to put behind a message about a word that isn't known: the
// nearest one in brackets, or all of them.
func Suggest(got string, known []string) string {
	if near := Nearest(got, known); near != "" {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	return fmt.Sprintf(" (known: %s)", strings.Join(known, ", "))
}

// distance is Levenshtein's: the edits that turn one word into the other.
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	row := make([]int, len(t)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(s); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(t); j++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			next := min(row[j]+1, row[j-1]+1, diagonal+cost)
			diagonal, row[j] = row[j], next
		}
	}
	return row[len(t)]
}

// DidYouMean is the end of a message about a name that is not known: a
// suggestion, or nothing.
func DidYouMean(got string, known []string) lang.Text {
	if n := Nearest(got, known); n != "" {
		return lang.Textf("; did you mean %q?", ". %q인가요?", n)
	}
	return lang.Text{}
}
