package run_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs"
	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/labtest"
	"noriter.dev/noriter/labs/progress"
	"noriter.dev/noriter/labs/run"
)

func TestMain(m *testing.M) {
	lang.Set(lang.English)
	os.Exit(m.Run())
}

func quiet(string) {}

// started is a lab that has been started in a world of its own.
func started(t *testing.T) (*run.Session, *labtest.World) {
	t.Helper()
	env, _ := labtest.Env(t)
	s, w := labtest.OpenWorld(env, labtest.Demo(t))
	if err := s.Start(context.Background(), quiet); err != nil {
		t.Fatal(err)
	}
	return s, w
}

func write(t *testing.T, s *run.Session, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.Env.Work(s.Lab.ID), name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// passes watches until the open step passes.
func passes(t *testing.T, s *run.Session, limit time.Duration) run.Update {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var last run.Update
	if err := s.Watch(ctx, func(u run.Update) { last = u }); err != nil {
		t.Fatalf("%v; last seen: %+v", err, last)
	}
	return last
}

func kubeNamespace(t *testing.T, env *labs.Env) string {
	t.Helper()
	data, err := os.ReadFile(env.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), "namespace: lab-demo") {
		return "lab-demo"
	}
	return ""
}

func TestStartPreparesTheWorld(t *testing.T) {
	s, w := started(t)
	state, err := s.State()
	if err != nil || state.Phase != progress.Underway || state.Step != "one" {
		t.Fatalf("%+v, %v", state, err)
	}
	for _, name := range []string{"p", "v"} {
		if p, err := w.Get(context.Background(), "Pod", "v1", "lab-demo", name); p == nil || err != nil {
			t.Errorf("pod %s: %v", name, err)
		}
	}
	if kubeNamespace(t, s.Env) != "lab-demo" {
		t.Error("kubectl doesn't point at the lab's namespace")
	}
	note, err := os.ReadFile(filepath.Join(s.Env.Work("demo"), "note.txt"))
	if want := "color " + state.Vars["color"] + "\n"; err != nil || string(note) != want {
		t.Errorf("the file handed out: %q, %v", note, err)
	}
	if info, err := os.Stat(s.Env.Kubeconfig); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the kubeconfig's mode became %v, %v", info.Mode(), err)
	}
}

func TestStepPassesByItselfWithinASecond(t *testing.T) {
	s, _ := started(t)
	state, _ := s.State()
	var at time.Time
	time.AfterFunc(300*time.Millisecond, func() {
		at = time.Now()
		write(t, s, "one", state.Vars["color"])
	})
	u := passes(t, s, 5*time.Second)
	if d := time.Since(at); d > time.Second {
		t.Errorf("took %s", d)
	}
	if !u.Passed || len(u.Facts) != 1 || u.Facts[0] != "one says "+state.Vars["color"] {
		t.Errorf("%+v", u)
	}
	state, _ = s.State()
	if !state.Passed("one") || state.Steps["one"].Facts[0] != u.Facts[0] {
		t.Errorf("not on disk: %+v", state.Steps["one"])
	}
}

func TestWatchSeesObjectsAtOnce(t *testing.T) {
	env, _ := labtest.Env(t)
	lab := labtest.Demo(t)
	s, w := labtest.OpenWorld(env, lab)
	// Only live objects in this step: the slow beat would take two seconds.
	lab.Steps[0].Checks[0] = *lab.Setup[1].Wait
	lab.Steps[0].Checks[0].ID = "written"
	if err := s.Start(context.Background(), quiet); err != nil {
		t.Fatal(err)
	}
	p, _ := w.Get(context.Background(), "Pod", "v1", "lab-demo", "p")
	w.Drop(p)
	var at time.Time
	time.AfterFunc(500*time.Millisecond, func() { at = time.Now(); w.Put(p) })
	passes(t, s, 5*time.Second)
	if d := time.Since(at); d > 600*time.Millisecond {
		t.Errorf("took %s", d)
	}
}

func TestFailureSaysExpectedActualAndWhy(t *testing.T) {
	s, _ := started(t)
	write(t, s, "one", "pink")
	u, err := s.Look(context.Background())
	state, _ := s.State()
	if err != nil || u.Passed || len(u.Results) != 1 {
		t.Fatalf("%+v, %v", u, err)
	}
	r := u.Results[0]
	if r.State != check.Fails || r.Expected != "the file one says "+state.Vars["color"] || r.Why != "it says: pink" || !strings.Contains(r.Actual, `"pink"`) {
		t.Errorf("%+v", r)
	}
	if state.Steps["one"].Tries != 1 {
		t.Errorf("the try was not counted: %+v", state.Steps["one"])
	}
}

func solve(t *testing.T, s *run.Session) {
	t.Helper()
	if err := s.Solve(context.Background(), func(run.Update) {}); err != nil {
		t.Fatal(err)
	}
}

func TestWholeLab(t *testing.T) {
	s, _ := started(t)
	state, _ := s.State()
	if h, err := s.Hint(context.Background()); len(h) != 1 || err != nil || h[0].Cost != 2 {
		t.Fatalf("hint: %+v, %v", h, err)
	}
	write(t, s, "one", state.Vars["color"])
	passes(t, s, 3*time.Second)
	if done, err := s.Advance(context.Background()); done || err != nil {
		t.Fatalf("%v, %v", done, err)
	}
	solve(t, s)
	done, err := s.Advance(context.Background())
	if !done || err != nil {
		t.Fatalf("%v, %v", done, err)
	}
	state, _ = s.State()
	points, most := run.Score(s.Lab, state)
	if points != 8 || most != 20 || state.Phase != progress.Done || len(state.History) != 1 || state.History[0].Points != 8 {
		t.Errorf("%d of %d, %+v", points, most, state)
	}
	if kubeNamespace(t, s.Env) != "" {
		t.Error("kubectl was not put back to its default namespace")
	}
	if _, err := s.Advance(context.Background()); err != nil {
		t.Fatal(err)
	}
	if state, _ = s.State(); len(state.History) != 1 {
		t.Error("an attempt was counted twice")
	}
}

func TestHintsEnd(t *testing.T) {
	s, _ := started(t)
	for i, want := range []int{1, 1, 0} {
		if h, err := s.Hint(context.Background()); len(h) != want || err != nil {
			t.Errorf("hint %d: %+v, %v", i, h, err)
		}
	}
	if taken, err := s.Hints(context.Background()); len(taken) != 2 || err != nil {
		t.Errorf("%+v, %v", taken, err)
	}
}

func TestUntilEndReopens(t *testing.T) {
	s, _ := started(t)
	solve(t, s)
	if _, err := s.Advance(context.Background()); err != nil {
		t.Fatal(err)
	}
	solve(t, s)
	write(t, s, "one", "broken")
	if done, err := s.Advance(context.Background()); done || !errors.Is(err, run.ErrReopened) {
		t.Fatalf("%v, %v", done, err)
	}
	if step, state, _ := s.Step(); step.ID != "one" || state.Passed("one") || !state.Passed("two") {
		t.Errorf("open is %s", step.ID)
	}
}

func TestResetKeepsHistoryAndVariables(t *testing.T) {
	s, w := started(t)
	before, _ := s.State()
	solve(t, s)
	write(t, s, "note.txt", "edited")
	extra := labtest.Pod("lab-demo", "mine")
	w.Put(extra)
	if err := s.Reset(context.Background(), quiet); err != nil {
		t.Fatal(err)
	}
	after, _ := s.State()
	if after.Phase != progress.Underway || after.Passed("one") || after.Vars["color"] != before.Vars["color"] || len(after.History) != 1 || after.History[0].Passed != 1 {
		t.Errorf("%+v", after)
	}
	if p, _ := w.Get(context.Background(), "Pod", "v1", "lab-demo", "mine"); p != nil {
		t.Error("the learner's pod is still there")
	}
	if p, _ := w.Get(context.Background(), "Pod", "v1", "lab-demo", "p"); p == nil {
		t.Error("the lab's pod is not there again")
	}
	if old, err := os.ReadFile(filepath.Join(s.Env.Work("demo"), "note.txt.old")); err != nil || string(old) != "edited" {
		t.Errorf("the learner's file: %q, %v", old, err)
	}
}

// TestInterruptedReset stops a reset in the middle; the next start completes it.
func TestInterruptedReset(t *testing.T) {
	s, w := started(t)
	solve(t, s)
	broken := errors.New("power cut")
	w.Refuse(broken)
	if err := s.Reset(context.Background(), quiet); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	w.Refuse(nil)
	if err := s.Start(context.Background(), quiet); err != nil {
		t.Fatal(err)
	}
	state, _ := s.State()
	if p, _ := w.Get(context.Background(), "Pod", "v1", "lab-demo", "p"); p == nil || state.Phase != progress.Underway || len(state.History) != 1 {
		t.Errorf("not completed: %+v", state)
	}
}

// TestClusterWasPutBack starts again on a cluster that no longer has the
// lab's world: the passed steps are built again and the learner goes on.
func TestClusterWasPutBack(t *testing.T) {
	s, _ := started(t)
	solve(t, s)
	if _, err := s.Advance(context.Background()); err != nil {
		t.Fatal(err)
	}
	write(t, s, "note.txt", "edited")
	again, w := labtest.OpenWorld(s.Env, s.Lab)
	interrupted, stop := context.WithCancel(context.Background())
	if err := again.Start(interrupted, func(said string) {
		if strings.Contains(said, "replaying") {
			stop()
		}
	}); err == nil {
		t.Fatal("the rebuilding was not interrupted")
	}
	var said []string
	if err := again.Start(context.Background(), func(s string) { said = append(said, s) }); err != nil {
		t.Fatal(err)
	}
	step, state, _ := again.Step()
	if step.ID != "two" || !state.Passed("one") || len(said) == 0 {
		t.Errorf("at %s, said %q", step.ID, said)
	}
	if note, err := os.ReadFile(filepath.Join(s.Env.Work("demo"), "note.txt")); err != nil || string(note) != "edited" {
		t.Errorf("the learner's file became %q, %v", note, err)
	}
	if p, _ := w.Get(context.Background(), "Pod", "v1", "lab-demo", "p"); p == nil {
		t.Error("the setup was not done again")
	}
}

// TestWatchNoticesThatTheClusterWasPutBack: the checks would blame the learner.
func TestWatchNoticesThatTheClusterWasPutBack(t *testing.T) {
	s, w := started(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	namespaces := w.Dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
	if err := namespaces.Delete(ctx, s.Namespace, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Watch(ctx, func(run.Update) {}); !errors.Is(err, run.ErrWorldGone) {
		t.Errorf("Watch = %v", err)
	}
}

// TestWatchNoticesThatTheTestbedIsGone, whatever its cluster does not answer.
func TestWatchNoticesThatTheTestbedIsGone(t *testing.T) {
	s, _ := started(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var gone atomic.Bool
	s.Env.Gone = gone.Load
	first := sync.OnceFunc(func() { gone.Store(true) })
	if err := s.Watch(ctx, func(run.Update) { first() }); !errors.Is(err, run.ErrTestbedGone) {
		t.Errorf("Watch = %v", err)
	}
}

// TestNothingPassesWhileTheWorldIsMade: what the step remembers is of the world
// before, so that anything new in this one would look like the learner's doing.
func TestNothingPassesWhileTheWorldIsMade(t *testing.T) {
	s, _ := started(t)
	state, err := s.State()
	if err != nil {
		t.Fatal(err)
	}
	write(t, s, "one", state.Vars["color"])
	phase := func(p progress.Phase) {
		t.Helper()
		if err := s.Store.Update(func(all *progress.State) error { all.Labs[s.Lab.ID].Phase = p; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	phase(progress.Rebuilding)
	short, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
	defer cancel()
	if err := s.Watch(short, func(up run.Update) { t.Errorf("told %+v", up) }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Watch = %v", err)
	}
	if state, _ := s.State(); state.Passed("one") {
		t.Error("the step has passed")
	}
	phase(progress.Underway)
	long, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Watch(long, func(run.Update) {}); err != nil {
		t.Errorf("and afterwards: %v", err)
	}
}

// TestWatchLeavesAStepThatIsNotOpen resets the lab under a watch of its second step.
func TestWatchLeavesAStepThatIsNotOpen(t *testing.T) {
	s, _ := started(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	solve(t, s)
	if err := s.Watch(ctx, func(run.Update) {}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Advance(ctx); err != nil {
		t.Fatal(err)
	}
	ended, watched := make(chan error, 1), make(chan struct{})
	go func() { ended <- s.Watch(ctx, func(run.Update) { closeOnce(watched) }) }()
	<-watched // on a busy machine it would begin after the reset, with the step that is open then
	if err := s.Reset(ctx, quiet); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, run.ErrMoved) {
		t.Errorf("Watch = %v", err)
	}
}

// TestResetStep breaks what the open step stands on, and puts that back alone.
func TestResetStep(t *testing.T) {
	s, w := started(t)
	ctx := context.Background()
	solve(t, s)
	if _, err := s.Advance(ctx); err != nil {
		t.Fatal(err)
	}
	before, _ := s.State()
	pods := w.Dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).Namespace("lab-demo")
	if err := pods.Delete(ctx, "p", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := s.ResetStep(ctx, quiet); err != nil {
		t.Fatal(err)
	}
	step, state, err := s.Step()
	if err != nil || step.ID != "two" || !state.Passed("one") || state.Phase != progress.Underway || len(state.History) != 0 {
		t.Errorf("%v: at %v, %+v", err, step, state)
	}
	if state.Vars["color"] != before.Vars["color"] {
		t.Error("the learner's variables were drawn anew")
	}
	if p, _ := w.Get(ctx, "Pod", "v1", "lab-demo", "p"); p == nil {
		t.Error("the setup was not done again")
	}
}

func TestRequirements(t *testing.T) {
	env, _ := labtest.Env(t)
	lab := labtest.Demo(t)
	lab.Testbed.Nodes = 2
	s, w := labtest.OpenWorld(env, lab)
	if err := s.Start(context.Background(), quiet); err == nil || !strings.Contains(err.Error(), "needs 2 workers that are Ready, this testbed has 1") {
		t.Fatalf("got %v", err)
	}
	if _, err := s.State(); !errors.Is(err, run.ErrNotStarted) {
		t.Error("a lab that can't start was noted as started")
	}
	tainted := labtest.Object("v1", "Node", "", "node2", map[string]any{
		"spec":   map[string]any{"taints": []any{map[string]any{"effect": "NoSchedule"}}},
		"status": map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "True"}}}})
	w.Put(tainted)
	if err := s.Requirements(context.Background()); err == nil {
		t.Error("a tainted node was counted")
	}
	unstructured.RemoveNestedField(tainted.Object, "spec", "taints")
	w.Put(tainted)
	if err := s.Requirements(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestVariablesAreStickyAndSeeded(t *testing.T) {
	lab := labtest.Demo(t)
	if a, b := run.Variables(lab, 7), run.Variables(lab, 7); a["color"] != b["color"] {
		t.Error("the same seed gave different variables")
	}
	seen := map[string]bool{}
	for seed := range uint64(50) {
		seen[run.Variables(lab, seed)["color"]] = true
	}
	if len(seen) != 3 {
		t.Errorf("of three colours only %v came up", seen)
	}
}

// TestSecondProcess notes a hint in one session and sees it in another.
func TestSecondProcess(t *testing.T) {
	s, _ := started(t)
	other, _ := labtest.OpenWorld(s.Env, s.Lab)
	if _, err := other.Hint(context.Background()); err != nil {
		t.Fatal(err)
	}
	if taken, err := s.Hints(context.Background()); len(taken) != 1 || err != nil {
		t.Errorf("%+v, %v", taken, err)
	}
}

// machines note what is run on them.
type machines struct{ did []string }

func (*machines) Names() []string { return []string{"control", "node1"} }

func (m *machines) Run(_ context.Context, node, command string) (string, string, int, error) {
	m.did = append(m.did, node+": "+command)
	return "", "", 0, nil
}

// TestSetupByVariables sets a lab up whose setup depends on what was drawn
// for the learner, and takes it back.
func TestSetupByVariables(t *testing.T) {
	fsys := labtest.DemoFS()
	fsys["demo/setup/red.yaml"] = &fstest.MapFile{Data: []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: 'red-{{vars.color}}'}\n")}
	fsys["demo/lab.yaml"].Data = []byte(strings.Replace(string(fsys["demo/lab.yaml"].Data), "setup:\n", `setup:
  - {if: vars.color == "red", manifest: setup/red.yaml}
  - {if: vars.color != "red", node: {on: all, run: "paint {{vars.color}}", undo: "strip {{vars.color}}"}}
  - node: {on: workers, run: "first {{ns}}", undo: "last {{ns}}"}
`, 1))
	lab, err := format.Load(fsys, "demo")
	if err != nil {
		t.Fatal(err)
	}
	for seed := uint64(1); seed <= 6; seed++ {
		env, _ := labtest.Env(t)
		s, w := labtest.OpenWorld(env, lab)
		m := &machines{}
		w.Nodes, s.Seed = m, seed
		if err := s.Start(context.Background(), quiet); err != nil {
			t.Fatal(err)
		}
		color := run.Variables(lab, seed)["color"]
		red, err := w.Get(context.Background(), "Pod", "v1", "lab-demo", "red-"+color)
		want := "control: paint " + color + "|node1: paint " + color + "|node1: first lab-demo"
		if color == "red" {
			want = "node1: first lab-demo"
		}
		if (red != nil) != (color == "red") || err != nil || strings.Join(m.did, "|") != want {
			t.Errorf("%s: pod %v, %v; did %q", color, red != nil, err, m.did)
		}
		m.did = nil
		if err := s.Remove(context.Background()); err != nil {
			t.Fatal(err)
		}
		if want := "node1: last lab-demo|control: strip " + color + "|node1: strip " + color; strings.Join(m.did, "|") != want {
			t.Errorf("%s: took back %q, want %q", color, m.did, want)
		}
	}
}

// TestFactsInBothLanguages: what made a step pass is told to whoever looks in their own
// language, whoever graded it.
func TestFactsInBothLanguages(t *testing.T) {
	lang.Set("ko")
	t.Cleanup(func() { lang.Set("en") })
	s, _ := started(t)
	solve(t, s)
	u, err := s.Look(t.Context())
	if err != nil || !u.Passed || !strings.Contains(u.Facts[0], "one의 내용은") || strings.Contains(u.Facts[0], "(") {
		t.Fatalf("in Korean: %+v, %v", u, err)
	}
	lang.Set("en")
	if u, err = s.Look(t.Context()); err != nil || !strings.HasPrefix(u.Facts[0], "one says ") || u.Results[0].Fact != u.Facts[0] {
		t.Errorf("graded in Korean, looked at in English: %+v, %v", u, err)
	}
}
