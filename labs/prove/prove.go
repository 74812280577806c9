// Package prove holds a lab against its promises, on a real cluster and
// through the same code that a learner meets:
//
//	untouched  nothing was done: not one step passes
//	solution   each step passes by its solution, and not before it
//	wrong      each listed wrong fix still fails, at the check that it names
//	other      each listed other right fix passes, and the lab can be finished
//	derived    what a step's solution and checks suggest by themselves, see Derived
//
// Every way works in a namespace, a kubeconfig and a progress of its own, so
// a proof doesn't disturb a learner's lab, and ways may run side by side; a
// lab that is `alone` acts on what all namespaces share, so its ways go one
// after another.
package prove

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"noriter.dev/noriter/labs"
	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/progress"
	"noriter.dev/noriter/labs/run"
)

// Options say how to prove.
type Options struct {
	// Jobs is how many ways run at once; 0 means one.
	Jobs int
	// Settle is how long a wrong fix is watched after the check that it must
	// trip was seen failing; 0 means 2 s.
	Settle time.Duration
	// Patience multiplies the time limits of the steps, of setting up and of
	// cleaning up, for machines that are much slower than one with hardware
	// virtualization; 0 means 1.
	Patience int
	// Ways are the ways to go, by name or by kind ("wrong" is all wrong fixes);
	// none means all.
	Ways []string
	// Sample is how many derived ways of a lab are gone, drawn by Draw; 0 means all.
	Sample int
	Draw   uint64
	// Keep leaves the namespaces of failed ways, to look at.
	Keep bool
	// Seed fixes the learner's variables; 0 draws others for every way.
	Seed uint64
	// Report is told of every way when it ends.
	Report func(Outcome)
	// Open makes the session of a way; nil means run.New. Tests replace it.
	Open func(*labs.Env, *format.Lab) (*run.Session, error)
}

// Kinds are the kinds of ways; each of the derived ones has a kind of its own as well.
var Kinds = []string{"untouched", "solution", "wrong", "other", Derived}

// IsKind says whether there are ways of a kind.
func IsKind(kind string) bool {
	return slices.Contains(Kinds, kind) || slices.ContainsFunc(shortcuts, func(s shortcut) bool { return s.kind == kind })
}

// takes says whether a way is to be gone.
func (o Options) takes(w *way) bool {
	first, _, _ := strings.Cut(w.name, "/")
	return len(o.Ways) == 0 || slices.ContainsFunc([]string{w.name, w.kind, first}, func(s string) bool { return slices.Contains(o.Ways, s) })
}

// choose gives the ways to be gone, of the derived ones a sample.
func (o Options) choose(all []way) []way {
	ways := slices.DeleteFunc(all, func(w way) bool { return !o.takes(&w) })
	if o.Sample == 0 {
		return ways
	}
	var derived []int
	for i, w := range ways {
		if strings.HasPrefix(w.name, Derived+"/") {
			derived = append(derived, i)
		}
	}
	rng := mathrand.New(mathrand.NewPCG(o.Draw, 0))
	rng.Shuffle(len(derived), func(i, j int) { derived[i], derived[j] = derived[j], derived[i] })
	left := map[int]bool{}
	for _, i := range derived[min(o.Sample, len(derived)):] {
		left[i] = true
	}
	var out []way
	for i, w := range ways {
		if !left[i] {
			out = append(out, w)
		}
	}
	return out
}

// Outcome is what one way came to.
type Outcome struct {
	Lab string `json:"lab"`
	// Way is "untouched", "solution", "wrong/NAME", "other/NAME" or "derived/STEP/KIND".
	Way string `json:"way"`
	// Kind is what the way is one of: "wrong", "other", or the kind of a derived one.
	Kind string `json:"kind"`
	// Must is what has to come of it, and OK that it came.
	Must Must `json:"must"`
	OK   bool `json:"ok"`
	// Percent is how much of the lab passed.
	Percent int `json:"percent"`
	// Detail says what held: the check that a wrong fix tripped; or why the
	// promise was broken.
	Detail  string  `json:"detail"`
	Seconds float64 `json:"seconds"`
	// Seed is what the learner's variables were drawn from.
	Seed uint64 `json:"seed"`
	// Green says for each step that was solved how many seconds went by from
	// the end of its script until the step had passed: the cluster's own time
	// (a pod that starts, a triggered check) and the grader's.
	Green map[string]float64 `json:"green,omitempty"`
}

// ErrUnderway means that a learner is in the middle of a lab that is `alone`: its
// proof would change the same nodes under their hands.
var ErrUnderway = errors.New("the lab is under way on this testbed")

// May says whether a lab may be proven here now; the error is ErrUnderway if not.
func May(env *labs.Env, lab *format.Lab) error {
	if !lab.Alone {
		return nil
	}
	all, err := run.StoreFor(env).Load()
	if err != nil {
		return fmt.Errorf("lab %s: looking for a learner's own start of it: %w", lab.ID, err)
	}
	if own := all.Labs[lab.Key()]; own != nil && own.Phase != progress.Done {
		return fmt.Errorf("lab %s: %w", lab.ID, ErrUnderway)
	}
	return nil
}

// Lab proves one lab. The error is only for what stopped the proof; a broken
// promise is an Outcome that isn't OK.
func Lab(ctx context.Context, env *labs.Env, lab *format.Lab, o Options) ([]Outcome, error) {
	if err := May(env, lab); err != nil {
		return nil, err
	}
	if o.Settle == 0 {
		o.Settle = 2 * time.Second
	}
	if o.Open == nil {
		o.Open = run.New
	}
	all, err := waysOf(lab)
	if err != nil {
		return nil, err
	}
	ways := o.choose(all)
	outcomes := make([]Outcome, len(ways))
	// First the ways that may run side by side, then those that get to a step
	// which acts on machines, and which would be in the way of the others.
	for _, alone := range []bool{false, true} {
		jobs := max(o.Jobs, 1)
		if alone || lab.Alone {
			jobs = 1
		}
		err := some(ctx, jobs, ways, func(ctx context.Context, i int, w way) error {
			if (w.reaches >= shakes(lab)) != alone {
				return nil
			}
			out, err := one(ctx, env, lab, w, o)
			if err != nil {
				return fmt.Errorf("lab %s, %s: %w", lab.ID, w.name, err)
			}
			outcomes[i] = out
			if o.Report != nil {
				o.Report(out)
			}
			return nil
		})
		if err != nil {
			return outcomes, err
		}
	}
	return outcomes, nil
}

// some does so many ways at once; the first error ends it.
func some(ctx context.Context, jobs int, ways []way, do func(context.Context, int, way) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(jobs)
	for i, w := range ways {
		group.Go(func() error { return do(ctx, i, w) })
	}
	return group.Wait()
}

// shakes is the first step of a lab that acts on a machine, or the number of
// its steps if none does.
func shakes(lab *format.Lab) int {
	for i := range lab.Steps {
		for _, c := range lab.Steps[i].Checks {
			if t := c.Triggered(); t != nil && t.OnMachine() {
				return i
			}
		}
	}
	return len(lab.Steps)
}

// way is one way through a lab; reaches is the last step it comes to.
type way struct {
	name, kind string
	must       Must
	reaches    int
	walk       func(context.Context, *walk) (detail string, err error)
}

// broken is a promise that a lab did not keep, as opposed to an error that
// stopped the proof.
type broken struct{ text string }

func (b *broken) Error() string { return b.text }

func brokenf(format string, args ...any) error { return &broken{fmt.Sprintf(format, args...)} }

func waysOf(lab *format.Lab) ([]way, error) {
	last := len(lab.Steps) - 1
	ways := []way{
		{"untouched", "untouched", MustFail, 0, untouched},
		{"solution", "solution", MustPass, last, solution},
	}
	for i := range lab.Wrong {
		ways = append(ways, way{scriptName(lab.Wrong[i].Script), "wrong", MustFail, lab.Index(lab.Wrong[i].Step), wrong(&lab.Wrong[i])})
	}
	for i := range lab.Other {
		ways = append(ways, way{scriptName(lab.Other[i].Script), "other", MustPass, last, other(&lab.Other[i])})
	}
	derived, err := derivedWays(lab)
	return append(ways, derived...), err
}

// one sets a world up, goes one way in it, and takes it down.
func one(ctx context.Context, env *labs.Env, lab *format.Lab, w way, o Options) (out Outcome, err error) {
	began := time.Now()
	s, cleanup, err := world(env, lab, o)
	if err != nil {
		return out, err
	}
	out = Outcome{Lab: lab.ID, Way: w.name, Kind: w.kind, Must: w.must}
	defer func() {
		// Also after Ctrl-C: the namespace must not stay behind.
		down, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute*time.Duration(s.Env.Patience))
		defer cancel()
		if !o.Keep || out.OK {
			err = errors.Join(err, s.Remove(down))
		}
		err = errors.Join(err, cleanup())
	}()
	walk := &walk{s: s, lab: lab, green: map[string]float64{}, settle: o.Settle, patience: max(o.Patience, 1)}
	if err := s.Start(ctx, func(string) {}); err != nil {
		return out, fmt.Errorf("setting it up: %w", err)
	}
	if state, err := s.State(); err == nil {
		out.Seed = state.Seed
	}
	detail, err := w.walk(ctx, walk)
	out.Seconds = time.Since(began).Seconds()
	out.Percent, out.Green = walk.percent(), walk.green
	var b *broken
	switch {
	case err == nil:
		out.OK, out.Detail = true, detail
	case errors.As(err, &b) && ctx.Err() == nil:
		out.Detail, err = b.text+postmortem(ctx, s, out.Seed), nil
		if o.Keep {
			out.Detail += " (kept: namespace " + s.Namespace + ")"
		}
	}
	return out, err
}

// world makes the session of one way, with everything of its own.
func world(env *labs.Env, lab *format.Lab, o Options) (*run.Session, func() error, error) {
	// All of it belongs to the one whose scripts run.
	who, kubeconfig := env.Scripter()
	dir, err := who.TempDir("nori-prove-")
	if err != nil {
		return nil, nil, fmt.Errorf("making a folder for the proof: %w", err)
	}
	cleanup := func() error { return who.RemoveAll(dir) }
	own := *env
	own.User, own.Hands, own.HandsKubeconfig = who, nil, ""
	own.ProgressDir, own.WorkDir, own.Making = dir, filepath.Join(dir, "work"), ""
	own.Kubeconfig = filepath.Join(dir, "kubeconfig")
	own.Patience = max(o.Patience, own.Patience, 1)
	data, err := who.ReadFile(kubeconfig)
	if err == nil {
		err = who.WriteFile(own.Kubeconfig, data, 0o600)
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("copying the kubeconfig: %w", err), cleanup())
	}
	s, err := o.Open(&own, lab)
	if err != nil {
		return nil, nil, errors.Join(err, cleanup())
	}
	var tail [3]byte
	if _, err := rand.Read(tail[:]); err != nil {
		return nil, nil, errors.Join(err, cleanup())
	}
	s.Namespace = lab.Namespace + "-proof-" + hex.EncodeToString(tail[:])
	s.Seed = o.Seed
	return s, cleanup, nil
}

// walk is the state of one way.
type walk struct {
	s        *run.Session
	lab      *format.Lab
	settle   time.Duration
	patience int
	green    map[string]float64
}

// limit is how long a step may take to pass on this machine.
func (w *walk) limit(step *format.Step) time.Duration {
	return step.Limit * time.Duration(w.patience)
}

// percent is the share of steps that have passed.
func (w *walk) percent() int {
	state, err := w.s.State()
	if err != nil {
		return 0
	}
	passed := 0
	for i := range w.lab.Steps {
		if state.Passed(w.lab.Steps[i].ID) {
			passed++
		}
	}
	return passed * 100 / len(w.lab.Steps)
}

// failing names the checks of an update that fail.
func failing(u run.Update) (names []string) {
	for _, r := range u.Results {
		if r.State == check.Fails {
			names = append(names, r.ID)
		}
	}
	return names
}
