package run_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"noriter.dev/noriter/labs/labtest"
	"noriter.dev/noriter/labs/progress"
	"noriter.dev/noriter/labs/run"
	"noriter.dev/noriter/labs/world"
)

// TestLabLeavesOthersAlone: neither start nor reset of a lab touches a namespace that it
// did not make, and neither leaves a trace of having begun.
func TestLabLeavesOthersAlone(t *testing.T) {
	env, _ := labtest.Env(t)
	lab := labtest.Demo(t)
	lab.Path, lab.Namespace = "/elsewhere/demo", "precious"
	s, w := labtest.OpenWorld(env, lab)
	w.Put(labtest.Object("v1", "Namespace", "", "precious", nil))
	w.Put(labtest.Pod("precious", "mine"))
	ctx := context.Background()
	for name, act := range map[string]func() error{
		"start":      func() error { return s.Start(ctx, quiet) },
		"reset":      func() error { return s.Reset(ctx, quiet) },
		"reset step": func() error { return s.ResetStep(ctx, quiet) },
		"remove":     func() error { return s.Remove(ctx) },
	} {
		if err := act(); err == nil || name != "reset step" && !errors.Is(err, world.ErrTaken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if pod, err := w.Get(ctx, "Pod", "v1", "precious", "mine"); pod == nil || err != nil {
		t.Fatalf("somebody else's pod is gone: %v", err)
	}
	if kubeNamespace(t, env) != "" {
		t.Error("kubectl points at somebody else's namespace")
	}
}

// TestTwoLabsOfOneName: a lab from elsewhere has a progress, a namespace and files of its
// own, whatever it calls itself.
func TestTwoLabsOfOneName(t *testing.T) {
	s, _ := started(t)
	write(t, s, "one", "mine")
	other := labtest.Demo(t)
	other.Path, other.Twin, other.Namespace = "/elsewhere/demo", true, "lab-other"
	twin := &run.Session{Env: s.Env, Lab: other, Cluster: s.Cluster, Store: s.Store, Namespace: "lab-other"}
	if err := twin.Start(context.Background(), quiet); err != nil {
		t.Fatal(err)
	}
	all, err := s.Store.Load()
	if err != nil || all.Current != "demo@/elsewhere/demo" || all.Labs["demo"] == nil || all.Labs["demo@/elsewhere/demo"] == nil {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := os.Stat(filepath.Join(s.Env.Work("demo-elsewhere"), "note.txt")); err != nil {
		t.Error(err)
	}
	twin.Namespace = "lab-demo"
	if err := twin.Reset(context.Background(), quiet); !errors.Is(err, world.ErrTaken) {
		t.Errorf("the built-in lab's namespace: %v", err)
	}
}

// TestProgressByIdIsAdopted: an older version kept a lab from elsewhere under its id alone.
func TestProgressByIdIsAdopted(t *testing.T) {
	env, _ := labtest.Env(t)
	lab := labtest.Demo(t)
	lab.Path = "/elsewhere/demo"
	s, _ := labtest.OpenWorld(env, lab)
	err := s.Store.Update(func(all *progress.State) error {
		all.Labs["demo"] = &progress.Lab{Phase: progress.SettingUp, Seed: 7, Vars: run.Variables(lab, 7), Step: "one",
			History: []progress.Attempt{{Finished: true, Points: 9}}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(context.Background(), quiet); err != nil {
		t.Fatal(err)
	}
	state, err := s.State()
	if err != nil || state.Seed != 7 || len(state.History) != 1 {
		t.Errorf("%+v, %v", state, err)
	}
}
