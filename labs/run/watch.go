package run

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"

	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/progress"
)

// How often a step is looked at. Live objects are watched, so their checks
// only need the slow beat, in case a watch was lost; pages, logs, commands
// and events have no watch.
const (
	fastBeat = 500 * time.Millisecond
	slowBeat = 2 * time.Second
	settle   = 30 * time.Millisecond // a change seldom comes alone
)

// When help is offered.
const (
	stuckAfter = 3 * time.Minute
	stuckTries = 6
)

// Update is what a look at the open step has found.
type Update struct {
	Step    *format.Step
	Results []check.Result
	Passed  bool
	// Facts are what made the step pass.
	Facts []string
	// Hints are the computed hints that apply now.
	Hints []string
	// Doing is set while a triggered check is at work.
	Doing string
	// Stuck says that it is time to offer help.
	Stuck bool
}

// Watch looks at the open step until it passes, and tells on of every change.
// It returns nil when the step has passed and that is on disk.
func (s *Session) Watch(ctx context.Context, on func(Update)) error {
	step, state, err := s.Step()
	if err != nil {
		return err
	}
	if state.Passed(step.ID) {
		on(Update{Step: step, Passed: true, Facts: state.Steps[step.ID].Facts, Results: heldResults(step, state)})
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := &watcher{s: s, step: step, on: on, opened: state.StepState(step.ID).Opened}
	changed := s.changes(ctx, step)
	beat := slowBeat
	for i := range step.Checks {
		if _, live := step.Checks[i].Watches(); !live {
			beat = fastBeat
		}
	}
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		passed, err := w.look(ctx)
		if err != nil || passed {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			if s.worldIsGone(ctx) {
				return ErrWorldGone
			}
		case <-changed:
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(settle):
			}
		}
	}
}

// ErrMoved means that another process went on in the lab, or reset it: another step
// is open now.
var ErrMoved = errors.New("another step is open now")

// ErrWorldGone means that the cluster was put back meanwhile to a state that does
// not have the lab's world; Start builds it again.
var ErrWorldGone = errors.New("the lab's world is not there any more")

// worldIsGone is sure of it: no answer, or a reset that is under way, is no sign.
func (s *Session) worldIsGone(ctx context.Context) bool {
	state, err := s.State()
	if err != nil || state.Phase != progress.Underway {
		return false
	}
	there, err := s.world(state).IsThere(ctx)
	return err == nil && !there
}

// heldResults are the results of a step that has passed already.
func heldResults(step *format.Step, state *progress.Lab) []check.Result {
	facts := state.Steps[step.ID].Facts
	var out []check.Result
	for i, c := range step.Checks {
		r := check.Result{ID: c.ID, State: check.Holds}
		if i < len(facts) {
			r.Fact = facts[i]
		}
		out = append(out, r)
	}
	return out
}

// changes is told whenever an object of a kind that the step looks at
// changes in the lab's namespace.
func (s *Session) changes(ctx context.Context, step *format.Step) <-chan struct{} {
	changed := make(chan struct{}, 1)
	notify := func() {
		select {
		case changed <- struct{}{}:
		default: // one is under way already
		}
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { notify() },
		UpdateFunc: func(any, any) { notify() },
		DeleteFunc: func(any) { notify() },
	}
	factories := map[string]dynamicinformer.DynamicSharedInformerFactory{}
	for _, k := range kinds(step) {
		m, err := s.Cluster.Resource(k.kind, k.version)
		if err != nil {
			continue // the slow beat looks at it
		}
		namespace := k.namespace
		switch {
		case m.Scope.Name() == meta.RESTScopeNameRoot:
			namespace = metav1.NamespaceAll
		case namespace == "":
			namespace = s.Namespace
		}
		factory := factories[namespace]
		if factory == nil {
			factory = dynamicinformer.NewFilteredDynamicSharedInformerFactory(s.Cluster.Dynamic, 0, namespace, func(*metav1.ListOptions) {})
			factories[namespace] = factory
		}
		informer := factory.ForResource(m.Resource).Informer()
		// Errors of a watch are retried by the informer, and the beat goes on
		// meanwhile; on a terminal they would only tear the screen.
		if informer.SetWatchErrorHandler(func(*cache.Reflector, error) {}) != nil {
			continue
		}
		if _, err := informer.AddEventHandler(handler); err != nil {
			continue
		}
	}
	for _, factory := range factories {
		factory.Start(ctx.Done())
	}
	return changed
}

// kinds are what a step looks at, with the namespace; empty is the lab's. Pods
// are always among them: exec, logs and pages change with them.
func kinds(step *format.Step) []watched {
	out := []watched{{"Pod", "v1", ""}}
	for i := range step.Checks {
		objects, _ := step.Checks[i].Watches()
		for _, o := range objects {
			k := watched{o.Kind, o.APIVersion, o.Namespace.Source()}
			if strings.Contains(k.namespace, "{{") {
				continue // not known here; the beat looks at it
			}
			if k.kind == "Pod" {
				k.version = "v1"
			}
			if !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
	}
	return out
}

type watched struct{ kind, version, namespace string }

// Look evaluates the open step once, triggered checks included if their turn
// has come, and counts a try that didn't pass.
func (s *Session) Look(ctx context.Context) (Update, error) {
	var last Update
	step, state, err := s.Step()
	if err != nil {
		return last, err
	}
	if state.Passed(step.ID) {
		return Update{Step: step, Passed: true, Facts: state.Steps[step.ID].Facts, Results: heldResults(step, state)}, nil
	}
	w := &watcher{s: s, step: step, on: func(u Update) { last = u }, opened: state.StepState(step.ID).Opened}
	if _, err := w.look(ctx); err != nil {
		return last, err
	}
	if last.Passed {
		return last, nil
	}
	err = s.update(func(l *progress.Lab) error {
		st := l.StepState(step.ID)
		st.Tries++
		last.Stuck = last.Stuck || st.Tries >= stuckTries
		return nil
	})
	return last, err
}

// ErrReopened means that the lab can't end because a step that must hold
// until the end doesn't any more; it is open again.
var ErrReopened = errors.New("a step that must hold until the end no longer does")

// Advance opens the next step. done is true when the lab has been finished.
func (s *Session) Advance(ctx context.Context) (done bool, err error) {
	_, state, err := s.Step()
	if err != nil {
		return false, err
	}
	for i := range s.Lab.Steps {
		if id := s.Lab.Steps[i].ID; !state.Passed(id) {
			return false, s.open(id, false)
		}
	}
	for i := range s.Lab.Steps {
		step := &s.Lab.Steps[i]
		if step.Hold == format.UntilEnd && !allHold(s.plain(ctx, s.scope(state, step), step)) {
			if err := s.open(step.ID, true); err != nil {
				return false, err
			}
			return false, ErrReopened
		}
	}
	err = s.Store.Update(func(all *progress.State) error {
		l := all.Labs[s.Lab.ID]
		if l == nil {
			return ErrNotStarted
		}
		if l.Phase != progress.Done {
			l.Phase = progress.Done
			l.History = append(l.History, attempt(s.Lab, l, true))
		}
		if all.Current == s.Lab.ID {
			all.Current = ""
		}
		return nil
	})
	return err == nil, errors.Join(err, SetNamespace(s.Env.Kubeconfig, ""))
}

// open makes a step the open one; again takes its pass back.
func (s *Session) open(id string, again bool) error {
	return s.update(func(l *progress.Lab) error {
		l.Step = id
		st := l.StepState(id)
		if again {
			st.Passed, st.Facts = nil, nil
		}
		if st.Opened.IsZero() || again {
			st.Opened = now()
		}
		return nil
	})
}

// Remember lets the open step note what it remembers, if it hasn't yet. The
// live view does so when it shows the step; a script that acts at once must
// wait for it.
func (s *Session) Remember(ctx context.Context) error {
	step, _, err := s.Step()
	if err != nil {
		return err
	}
	_, err = (&watcher{s: s, step: step}).remembered(ctx)
	return err
}
