// Package fault breaks a testbed on purpose, for an instructor, and mends it.
//
// Each fault is one entry of a table. What all of them share is in run.go, and
// goes so:
//
//	inject    the testbed must be steady → choose → write down → break → prove
//	recover   put back → the same look finds it whole → steady → strike out
//
// One function looks, before, during and after: the look that finds the testbed
// whole must find it broken once the fault is in, and whole again at the end.
// A fault that nobody would notice is none.
package fault

import (
	"context"
	"math/rand/v2"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/strict"
	"noriter.dev/noriter/testbed"
)

// State is what a look found.
type State int

// The states. Between is neither: something is still under way.
const (
	Between State = iota
	Whole
	Broken
	// Missing is a target that somebody removed: nothing is left to put back, but
	// that is no mend.
	Missing
)

// text is a state as one says it of a target.
func (s State) text() lang.Text {
	switch s {
	case Whole:
		return lang.Text{EN: "whole", KO: "정상"}
	case Broken:
		return lang.Text{EN: "broken", KO: "고장"}
	case Missing:
		return lang.Text{EN: "no longer there", KO: "없어짐"}
	}
	return lang.Text{EN: "between whole and broken", KO: "정상과 고장 사이"}
}

// Sight is what a look found, and by which signs.
type Sight struct {
	State State
	Seen  lang.Text
}

// Fault is one way to break a testbed.
type Fault struct {
	Name string
	// Level is how hard it is to find: 1 shows itself where one looks first, 2 wants to be
	// looked for, 3 shows itself elsewhere than it is.
	Level int
	// What is done, in a few words.
	What lang.Text
	// Symptom is what a learner comes to see, for the instructor.
	Symptom lang.Text

	// targets lists what could be broken, in a fixed order.
	targets func(ctx context.Context, w *world) ([]testbed.Fault, error)
	// look tells whether the target is whole or broken.
	look func(ctx context.Context, w *world, f testbed.Fault) (Sight, error)
	// plan adds to the record what undoing will need. Nothing is broken yet.
	plan func(ctx context.Context, w *world, f *testbed.Fault, chance *rand.Rand) error
	// inject breaks the target.
	inject func(ctx context.Context, w *world, f testbed.Fault) error
	// recover puts it back. It must not mind that there is nothing to do.
	recover func(ctx context.Context, w *world, f testbed.Fault) error
	// workload says that it breaks objects of somebody's, not the testbed.
	workload bool
}

// All are the faults, machines first.
func All() []*Fault {
	return []*Fault{
		agentStopped, schedulerStopped, controllersStopped, containerdStopped,
		nodeOff, nodeCut, dnsDown, proxyRulesGone,
		agentConfigWrong, registryStopped, corefileBroken, nodeTainted, nodeCordoned, forwardingOff,
		imageTagBroken, selectorBroken, targetPortBroken, pullSecretMissing,
		nodeSelectorWrong, requestTooLarge, livenessPortWrong, hostPathMissing, configKeyMissing, quotaExhausted,
	}
}

// Names are the faults' names.
func Names() []string {
	var names []string
	for _, f := range All() {
		names = append(names, f.Name)
	}
	return names
}

// Find finds a fault by its name.
func Find(name string) (*Fault, error) {
	for _, f := range All() {
		if f.Name == name {
			return f, nil
		}
	}
	return nil, &testbed.UsageError{Err: lang.Errorf("there is no fault %q%s\n      `nori fault list` shows them",
		"%q(이)라는 장애는 없습니다%s\n      `nori fault list`로 목록을 볼 수 있습니다", name, strict.DidYouMean(name, Names()))}
}

// chanceOf is the source of a fault's choices: the same seed, the same choices.
func chanceOf(seed uint64, name string) *rand.Rand {
	h := uint64(14695981039346656037) // FNV-1a
	for _, b := range []byte(name) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return rand.New(rand.NewPCG(seed, h))
}

// TargetOf is a record's target, for people.
func TargetOf(f testbed.Fault) string {
	if f.Node != "" {
		return f.Node
	}
	return f.Namespace + "/" + f.Object
}
