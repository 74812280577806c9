package strict

import (
	"sort"

	"noriter.dev/noriter/internal/lang"
)

// Nearest is the known name that somebody who typed got most likely meant: the
// one with the smallest edit distance, or the empty string if even that is too
// far away to be worth a suggestion.
func Nearest(got string, known []string) string {
	known = append([]string(nil), known...)
	sort.Strings(known)
	best, limit := "", max(2, len(got)/2)
	for _, k := range known {
		if d := distance(got, k); d <= limit {
			best, limit = k, d-1
		}
	}
	return best
}

// distance is the Levenshtein distance, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j+1]+1, row[j]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}

// DidYouMean is the end of a message about a name that is not known: a
// suggestion, or nothing.
func DidYouMean(got string, known []string) lang.Text {
	if n := Nearest(got, known); n != "" {
		return lang.Textf("; did you mean %q?", ". %q인가요?", n)
	}
	return lang.Text{}
}
