package run

import (
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/progress"
)

// Score is what the passed steps have brought, and what they could.
func Score(lab *format.Lab, state *progress.Lab) (points, most int) {
	for i := range lab.Steps {
		step := &lab.Steps[i]
		most += step.Points
		if state.Passed(step.ID) {
			points += StepPoints(step, state)
		}
	}
	return points, most
}

// StepPoints is what one step is worth, after the hints that were taken.
func StepPoints(step *format.Step, lab *progress.Lab) int {
	state := lab.StepState(step.ID)
	if state.Solved {
		return 0
	}
	return max(step.Points-price(step, state.Hints), 0)
}

// attempt sums an attempt up for the history.
func attempt(lab *format.Lab, state *progress.Lab, finished bool) progress.Attempt {
	a := progress.Attempt{Started: state.Started, Ended: now(), Finished: finished, Steps: len(lab.Steps)}
	a.Points, a.Max = Score(lab, state)
	for i := range lab.Steps {
		if state.Passed(lab.Steps[i].ID) {
			a.Passed++
		}
	}
	return a
}

func anyPassed(l *progress.Lab) bool {
	for _, st := range l.Steps {
		if st.Passed != nil {
			return true
		}
	}
	return false
}
