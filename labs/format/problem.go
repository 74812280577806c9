package format

import (
	"fmt"
	"sort"
	"strings"
)

// Problem is one mistake in a lab, with its place.
type Problem struct {
	Pos
	Message string
}

// String is the problem as FILE:LINE:COLUMN: MESSAGE.
func (p Problem) String() string {
	switch {
	case p.File == "":
		return p.Message
	case p.Line == 0:
		return fmt.Sprintf("%s: %s", p.File, p.Message)
	case p.Column == 0:
		return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
}

// Problems is all that is wrong with a lab. It is an error if it isn't empty.
type Problems []Problem

// Error gives one line per problem, in order of place.
func (p Problems) Error() string {
	sorted := append(Problems(nil), p...)
	sort.SliceStable(sorted, func(i, j int) bool {
		a, b := sorted[i], sorted[j]
		if a.File != b.File {
			return a.File < b.File
		}
		return a.Line < b.Line
	})
	lines := make([]string, 0, len(p))
	for _, q := range sorted {
		lines = append(lines, q.String())
	}
	return strings.Join(lines, "\n")
}

// err is nil for no problems: a typed nil must not become an error.
func (p Problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// nearest suggests the known word closest to a misspelt one.
func nearest(word string, known []string) string {
	best, bestDistance := "", len(word)/2+2
	for _, k := range known {
		if dist := distance(strings.ToLower(word), strings.ToLower(k)); dist < bestDistance {
			best, bestDistance = k, dist
		}
	}
	if best == "" {
		return fmt.Sprintf(" (known: %s)", strings.Join(known, ", "))
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
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
