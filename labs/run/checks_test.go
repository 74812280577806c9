package run_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/labtest"
)

// gone has a file /two for the first look only, as what is about to change.
type gone struct {
	check.Reach
	looks atomic.Int32
}

func (g *gone) Exec(ctx context.Context, namespace, pod, container string, command []string) (check.Output, error) {
	if slices.Equal(command, []string{"cat", "/two"}) {
		return check.Output{Code: min(int(g.looks.Add(1))-1, 1)}, nil
	}
	return g.Reach.Exec(ctx, namespace, pod, container, command)
}

// TestGiven: what means nothing until another check holds is not green before.
func TestGiven(t *testing.T) {
	env, _ := labtest.Env(t)
	lab := labtest.Demo(t)
	second := lab.Steps[0].Checks[0]
	second.ID, second.Given = "more", []string{lab.Steps[0].Checks[0].ID}
	third := lab.Steps[0].Checks[0]
	third.ID, third.Given, third.Expr = "most", []string{"more"}, nil // holds always
	lab.Steps[0].Checks = append(lab.Steps[0].Checks, second, third)
	s, _ := labtest.OpenWorld(env, lab)
	if err := s.Start(t.Context(), quiet); err != nil {
		t.Fatal(err)
	}
	states := func() (out []check.State) {
		u, err := s.Look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range u.Results {
			out = append(out, r.State)
		}
		return out
	}
	if got := states(); !slices.Equal(got, []check.State{check.Fails, check.Later, check.Later}) {
		t.Errorf("before: %v", got)
	}
	state, err := s.State()
	if err != nil {
		t.Fatal(err)
	}
	write(t, s, "one", state.Vars["color"])
	if got := states(); !slices.Equal(got, []check.State{check.Holds, check.Holds, check.Holds}) {
		t.Errorf("after: %v", got)
	}
}

// TestChecksHoldTogether: what one check sees as it was, and another as it is now, is
// no moment in which both hold.
func TestChecksHoldTogether(t *testing.T) {
	env, _ := labtest.Env(t)
	lab := labtest.Demo(t)
	second := lab.Steps[1].Checks[0]
	second.ID = "still"
	lab.Steps[0].Checks = append(lab.Steps[0].Checks, second)
	s, _ := labtest.OpenWorld(env, lab)
	if err := s.Start(t.Context(), quiet); err != nil {
		t.Fatal(err)
	}
	state, err := s.State()
	if err != nil {
		t.Fatal(err)
	}
	write(t, s, "one", state.Vars["color"])
	s.Cluster.Reach = &gone{Reach: s.Cluster.Reach}
	if u, err := s.Look(t.Context()); err != nil || u.Passed || u.Results[0].State != check.Holds || u.Results[1].State == check.Holds {
		t.Errorf("passed %v with %+v, %v", u.Passed, u.Results, err)
	}
}

// behind answers as before for a while after it was first asked, as a proxy does that is
// about to read what was written.
type behind struct {
	check.Reach
	first atomic.Int64
}

func (b *behind) Exec(ctx context.Context, namespace, pod, container string, command []string) (check.Output, error) {
	b.first.CompareAndSwap(0, time.Now().UnixNano())
	if time.Since(time.Unix(0, b.first.Load())) > 300*time.Millisecond {
		return check.Output{Code: 1}, nil
	}
	return b.Reach.Exec(ctx, namespace, pod, container, command)
}

// TestAnswerOfBefore: an answer that is only still as it was, beside what has been written
// since, does not hold together with it.
func TestAnswerOfBefore(t *testing.T) {
	env, _ := labtest.Env(t)
	lab := labtest.Demo(t)
	written := lab.Steps[0].Checks[0]
	written.ID, written.Kind, written.Expr = "written", &check.List{Kind: "Pod", APIVersion: "v1"}, nil // holds always
	lab.Steps[0].Checks = append(lab.Steps[0].Checks, written)
	s, _ := labtest.OpenWorld(env, lab)
	if err := s.Start(t.Context(), quiet); err != nil {
		t.Fatal(err)
	}
	state, err := s.State()
	if err != nil {
		t.Fatal(err)
	}
	write(t, s, "one", state.Vars["color"])
	s.Cluster.Reach = &behind{Reach: s.Cluster.Reach}
	if u, err := s.Look(t.Context()); err != nil || u.Passed || u.Results[1].State != check.Holds {
		t.Errorf("passed %v with %+v, %v", u.Passed, u.Results, err)
	}
}
