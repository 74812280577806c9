package testbed

import (
	"context"
	"slices"
	"time"
)

// Exercise is what there is to find and to mend: the faults that one `nori fault inject`
// put in, and how far somebody is with them. It is the testbed's, so that a second
// terminal and a later day go on with it.
type Exercise struct {
	// Surprise says that nobody was told which faults they are.
	Surprise bool   `json:"surprise,omitempty"`
	Level    int    `json:"level"`
	Seed     uint64 `json:"seed"`
	// Faults are their names, in the order in which they go in.
	Faults []string  `json:"faults"`
	Since  time.Time `json:"since"`
	// Hints is how many hints were taken; Revealed says that somebody gave up.
	Hints    int  `json:"hints,omitempty"`
	Revealed bool `json:"revealed,omitempty"`
	// Mended is when all of them were found mended; zero while it is open.
	Mended time.Time `json:"mended,omitzero"`
}

// Open says that there is still something to mend.
func (e *Exercise) Open() bool { return e != nil && e.Mended.IsZero() }

// Secret says that the faults' names would give away what is to be found.
func (e *Exercise) Secret() bool { return e.Open() && e.Surprise && !e.Revealed }

// Exercise is the testbed's exercise, or nil. It is a copy.
func (t *Testbed) Exercise() *Exercise {
	if t.state.Exercise == nil {
		return nil
	}
	e := *t.state.Exercise
	e.Faults = slices.Clone(e.Faults)
	return &e
}

// NoteExercise writes an exercise down in the place of the one before; nil ends it.
func (t *Testbed) NoteExercise(ctx context.Context, e *Exercise) error {
	return t.locked(ctx, "fault", quietly, func(provider) error {
		t.state.Exercise = e
		return t.writeState()
	})
}
