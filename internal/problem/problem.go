// Package problem is the mistakes in files that people write: each with its
// place, and all of a file together. Labs, quizzes, cheatsheets and testbed
// files report theirs with it. It is a leaf.
package problem

import (
	"fmt"
	"sort"
	"strings"
)

// Pos is a place in a file; Line and Column count from one, 0 is not known.
type Pos struct {
	File         string
	Line, Column int
}

// String is the place as FILE:LINE:COLUMN, as far as it is known.
func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Problem is one mistake, with its place.
type Problem struct {
	Pos
	Message string
}

// At makes the problem at a place.
func At(pos Pos, format string, args ...any) Problem {
	return Problem{Pos: pos, Message: fmt.Sprintf(format, args...)}
}

// Line makes the problem of a line, counted from one; 0 is the whole file.
func Line(file string, line int, format string, args ...any) Problem {
	return At(Pos{File: file, Line: line}, format, args...)
}

// String is the problem in the form that editors can jump to:
// FILE:LINE:COLUMN: MESSAGE.
func (p Problem) String() string {
	if p.File == "" {
		return p.Message
	}
	return p.Pos.String() + ": " + p.Message
}

// List is all that is wrong. It is an error if it isn't empty; see Err.
type List []Problem

// Error gives one line per problem, in order of place.
func (l List) Error() string {
	sorted := append(List(nil), l...)
	sort.SliceStable(sorted, func(i, j int) bool {
		a, b := sorted[i], sorted[j]
		if a.File != b.File {
			return a.File < b.File
		}
		return a.Line < b.Line
	})
	lines := make([]string, 0, len(l))
	for _, p := range sorted {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

// Err is nil for no problems: an empty List in an error would not be.
func (l List) Err() error {
	if len(l) == 0 {
		return nil
	}
	return l
}
