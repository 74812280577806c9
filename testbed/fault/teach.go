package fault

import (
	"maps"

	"noriter.dev/noriter/internal/lang"
)

// Teaching is what a learner is told of a fault, a little at a time.
type Teaching struct {
	// Hints go from vague to precise. None names the fault.
	Hints [3]lang.Text
	// Mend is how it is mended, Lesson what was to be learnt.
	Mend, Lesson lang.Text
}

// Teaching is what a learner is told of the fault.
func (f *Fault) Teaching() Teaching { return teachings[f.Name] }

// teachings are those of all faults, by their names.
var teachings = merged(ofComponents, ofNodes, ofWorkloads)

func merged(all ...map[string]Teaching) map[string]Teaching {
	out := map[string]Teaching{}
	for _, some := range all {
		maps.Copy(out, some)
	}
	return out
}

// of makes a teaching of its texts.
func of(vague, closer, precise, mend, lesson lang.Text) Teaching {
	return Teaching{Hints: [3]lang.Text{vague, closer, precise}, Mend: mend, Lesson: lesson}
}
