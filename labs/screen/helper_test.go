package screen

import (
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/progress"
	"noriter.dev/noriter/labs/run"
)

// freshState is a state with the variables that the texts name.
func freshState(l *format.Lab) *progress.Lab {
	return &progress.Lab{Vars: run.Variables(l, 1)}
}
