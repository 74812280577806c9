package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/progress"
)

// grader grades one step, again and again, and tells of what changed.
type grader struct {
	s      *Session
	step   *format.Step
	on     func(Update)
	opened time.Time

	last     []check.Result
	lastHint []string
	told     bool
	tries    int
	// lastStuck is whether help was offered already.
	lastStuck bool
	// acted are the results of the triggered checks, from the last time they ran.
	acted []check.Result
	// damaged is what was found last, at damageAt; lastDamage was told last.
	damaged, lastDamage []string
	damageAt            time.Time
	// stirred says that something changed which may be damage; nil where nobody watches.
	stirred *stir
	// asked says that somebody wants to know now, and does not only watch.
	asked bool
}

// Rests between two runs of a triggered check that failed.
const (
	firstRest   = 10 * time.Second
	longestRest = 60 * time.Second
)

// grade evaluates the step once, tells of what changed, and records a pass.
func (g *grader) grade(ctx context.Context) (passed bool, err error) {
	unlock, err := g.turn(ctx)
	taken := errors.Is(err, progress.ErrGrading)
	if err != nil && !taken {
		return false, err
	}
	if !taken {
		defer unlock()
	}
	if open, passed, err := g.isOpen(); err != nil || !open {
		return passed, err
	}
	if taken {
		return false, g.lookOn(ctx)
	}
	return g.judge(ctx)
}

// turnPatience is how long who asks waits for another's look to end. One that tries
// something out takes longer, and is looked on at.
const turnPatience = 3 * time.Second

// turn takes the lock of the grader. Whoever only watches comes again soon; who asks waits:
// an answer of "not yet" would be wrong a moment later.
func (g *grader) turn(ctx context.Context) (unlock func(), err error) {
	if !g.asked {
		return g.s.Store.TryGrading()
	}
	what := lang.Text{EN: "another nori to grade", KO: "다른 nori의 채점"}
	done, err := wait.Within(ctx, g.s.patient(turnPatience), 50*time.Millisecond, what, func(context.Context) (bool, string, error) {
		var err error
		if unlock, err = g.s.Store.TryGrading(); errors.Is(err, progress.ErrGrading) {
			return false, err.Error(), nil
		}
		return err == nil, "", err
	})
	if err == nil && !done {
		err = progress.ErrGrading
	}
	return unlock, err
}

// lookOn tells what is there while another process grades, and tries nothing out.
func (g *grader) lookOn(ctx context.Context) error {
	scope, err := g.s.remembered(ctx, g.step)
	if err != nil {
		return err
	}
	results := g.s.plain(ctx, scope, g.step)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	g.tell(append(results, g.found()...), nil, "")
	return nil
}

// judge evaluates the step as the only one who does.
func (g *grader) judge(ctx context.Context) (passed bool, err error) {
	scope, err := g.s.remembered(ctx, g.step)
	if err != nil {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		g.tell(unseen(g.step, err), nil, "")
		return false, nil
	}
	results := g.s.plain(ctx, scope, g.step)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if !allHold(results) {
		// What the last act found is still the answer to "why not?", and most
		// often it was the act itself that broke what doesn't hold now.
		g.lookForDamage(ctx)
		g.tell(append(results, g.found()...), g.s.computedHints(ctx, scope, g.step), "")
		return false, nil
	}
	g.damaged = nil
	if len(waiting(g.step)) == 0 {
		return g.pass(results)
	}
	rest, err := g.resting()
	if err != nil || rest {
		g.tell(append(results, g.found()...), nil, "")
		return false, err
	}
	g.tell(append(results, acting(g.step)...), nil, lang.T("now it is tried out", "이제 실제로 시험해 봅니다"))
	acted, ok := g.s.trigger(ctx, scope, g.step, func(text string) {
		g.tell(append(results, acting(g.step)...), nil, text)
	})
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if ok {
		return g.pass(append(results, acted...))
	}
	g.acted = acted
	g.tell(append(results, g.found()...), g.s.computedHints(ctx, scope, g.step), "")
	return false, g.s.update(func(l *progress.Lab) error {
		st := l.StepState(g.step.ID)
		st.Acted, st.Rest = now(), min(max(st.Rest*2, firstRest), longestRest)
		return nil
	})
}

// resting keeps triggered checks from killing pods again and again, in one terminal or two.
func (g *grader) resting() (bool, error) {
	state, err := g.s.State()
	if err != nil {
		return false, err
	}
	st := state.StepState(g.step.ID)
	return !g.asked && now().Before(st.Acted.Add(st.Rest)), nil
}

// isOpen says whether the step may be judged now. While the lab's world is being
// made it may not: what was remembered is of the world before. One that was opened
// anew begins from nothing.
// One that another process has judged meanwhile has passed for this one, too.
func (g *grader) isOpen() (open, passed bool, err error) {
	state, err := g.s.State()
	if err != nil {
		return false, false, err
	}
	settled := state.Phase == progress.Underway || state.Phase == progress.Done
	if st := state.StepState(g.step.ID); settled && st.Passed != nil && st.Opened.Equal(g.opened) {
		g.on(Update{Step: g.step, Results: heldResults(g.step, state), Passed: true, Facts: st.Told()})
		return false, true, nil
	}
	if state.Phase != progress.Underway {
		return false, false, nil
	}
	if state.Step != g.step.ID {
		return false, false, ErrMoved
	}
	if opened := state.StepState(g.step.ID).Opened; !opened.Equal(g.opened) {
		*g = grader{s: g.s, step: g.step, on: g.on, opened: opened, asked: g.asked, stirred: g.stirred}
	}
	return true, false, nil
}

// found are the results of the triggered checks as far as they are known: from
// the last time they ran, and waiting for those that it didn't get to.
func (g *grader) found() []check.Result {
	return append(slices.Clone(g.acted), waiting(g.step)[len(g.acted):]...)
}

// tell passes an update on if it says anything new.
func (g *grader) tell(results []check.Result, hints []string, doing string) {
	late := stuck(g.opened, g.tries)
	if g.told && doing == "" && slices.Equal(g.damaged, g.lastDamage) && slices.Equal(results, g.last) && slices.Equal(hints, g.lastHint) && late == g.lastStuck {
		return
	}
	if g.told && !slices.Equal(results, g.last) {
		g.tries++
	}
	g.told, g.last, g.lastHint, g.lastStuck, g.lastDamage = true, results, hints, late, g.damaged
	g.on(Update{Step: g.step, Results: results, Hints: hints, Damage: g.damaged, Doing: doing, Stuck: late})
}

// pass records that the step has passed, and why, before it says so; unless it
// was opened anew while it was looked at.
func (g *grader) pass(results []check.Result) (passed bool, err error) {
	var facts []lang.Text
	var told []string
	for _, r := range results {
		facts, told = append(facts, r.Told), append(told, r.Fact)
	}
	same := false
	err = g.s.update(func(l *progress.Lab) error {
		st := l.StepState(g.step.ID)
		same = l.Phase == progress.Underway && l.Step == g.step.ID && st.Opened.Equal(g.opened)
		if same && st.Passed == nil {
			st.Pass(now(), facts)
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("the step has passed, but noting it failed: %w", err)
	}
	if same {
		g.on(Update{Step: g.step, Results: results, Passed: true, Facts: told})
	}
	return same, nil
}

// Skip passes the open step if all holds that its checks look at, without trying anything
// out, and opens the next. It is for proofs, which build the world of a later step.
func (s *Session) Skip(ctx context.Context) (bool, error) {
	step, state, err := s.Step()
	if err != nil {
		return false, err
	}
	g := &grader{s: s, step: step, on: func(Update) {}, opened: state.StepState(step.ID).Opened}
	scope, err := s.remembered(ctx, step)
	if err != nil {
		return false, err
	}
	var results []check.Result
	for i := range step.Checks { // in order, and no further than the first that doesn't hold: pages and commands cost most
		c := &step.Checks[i]
		if c.Triggered() != nil {
			continue
		}
		r := s.Cluster.Run(ctx, scope, c)
		if r.State != check.Holds {
			return false, ctx.Err()
		}
		results = append(results, r)
	}
	if ok, err := g.pass(results); err != nil || !ok {
		return false, err
	}
	_, err = s.Advance(ctx)
	return err == nil, err
}
