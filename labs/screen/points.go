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

// nextPrice is what the next tier of hints costs; 0 if there is none.
func nextPrice(s *run.Session) int {
	step, state, err := s.Step()
	if err != nil {
		return 0
	}
	taken := state.StepState(step.ID).Hints
	if taken >= len(step.Cost) {
		return 0
	}
	return step.Cost[taken]
}

// hintLabel offers the next hint with its price; empty if there is none.
func hintLabel(s *run.Session) string {
	price := nextPrice(s)
	if price == 0 {
		return ""
	}
	return lang.T(fmt.Sprintf("h: hint (costs %d points)", price), fmt.Sprintf("h: 힌트 (%d점 차감)", price))
}
