package screen

import (
	"fmt"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/run"
)

// stepPoints is what the open step is worth to the learner now.
func stepPoints(s *run.Session) int {
	step, state, err := s.Step()
	if err != nil {
		return 0
	}
	return run.StepPoints(step, state)
}

// hintLabel offers the next hint with its price; empty if there is none.
func hintLabel(s *run.Session) string {
	step, state, err := s.Step()
	if err != nil {
		return ""
	}
	taken := state.StepState(step.ID).Hints
	if taken >= len(step.Cost) {
		return ""
	}
	return lang.T(fmt.Sprintf("h: hint (costs %d points)", step.Cost[taken]), fmt.Sprintf("h: 힌트 (%d점 차감)", step.Cost[taken]))
}
