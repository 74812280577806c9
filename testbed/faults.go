package testbed

import (
	"context"
	"slices"
	"time"
)

// Fault is a fault that was put into a testbed, with what is needed to take it
// out again. It is written down before anything is broken.
type Fault struct {
	Name string `json:"name"`
	// Node, or Namespace and Object, is what was broken.
	Node      string `json:"node,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Object    string `json:"object,omitempty"`
	// Practice says that the object was brought along to be broken.
	Practice bool `json:"practice,omitempty"`
	// Seed chose it; the same seed chooses the same again.
	Seed  uint64    `json:"seed"`
	Since time.Time `json:"since"`
	// Proven says that its effect was seen.
	Proven bool `json:"proven"`
	// Undo is what was there before, in the fault's own words.
	Undo map[string]string `json:"undo,omitempty"`
}

// Faults are the faults that are in the testbed.
func (t *Testbed) Faults() []Fault { return slices.Clone(t.state.Faults) }

// NoteFault writes a fault down, in the place of one of the same name.
func (t *Testbed) NoteFault(ctx context.Context, f Fault) error {
	return t.changeFaults(ctx, func(all []Fault) []Fault { return append(without(all, f.Name), f) })
}

// ForgetFault strikes a fault out.
func (t *Testbed) ForgetFault(ctx context.Context, name string) error {
	return t.changeFaults(ctx, func(all []Fault) []Fault { return without(all, name) })
}

func (t *Testbed) changeFaults(ctx context.Context, change func([]Fault) []Fault) error {
	return t.locked(ctx, "fault", quietly, func(provider) error {
		t.state.Faults = change(t.state.Faults)
		return t.writeState()
	})
}

func without(all []Fault, name string) []Fault {
	return slices.DeleteFunc(slices.Clone(all), func(f Fault) bool { return f.Name == name })
}

// LockFaults keeps two commands from putting faults in and out at a time. It is
// apart from the testbed's own lock, which each step of a fault takes for itself.
func (t *Testbed) LockFaults(ctx context.Context, waiting func(string)) (release func(), err error) {
	l, err := t.home.lock(ctx, t.Name()+faultLock, "fault", waiting)
	if err != nil {
		return nil, err
	}
	if err := t.reread(l); err != nil {
		l.remove()
		return nil, err
	}
	return l.remove, nil
}
