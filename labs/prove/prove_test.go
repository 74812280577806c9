package prove

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"noriter.dev/noriter/labs"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/labtest"
	"noriter.dev/noriter/labs/progress"
	"noriter.dev/noriter/labs/run"
)

func proveFS(t *testing.T, fsys fstest.MapFS) map[string]Outcome {
	t.Helper()
	lab, err := format.Load(fsys, "demo")
	if err != nil {
		t.Fatal(err)
	}
	env, _ := labtest.Env(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	outcomes, err := Lab(ctx, env, lab, Options{Jobs: 4, Settle: 300 * time.Millisecond, Open: labtest.Open})
	if err != nil {
		t.Fatal(err)
	}
	byWay := map[string]Outcome{}
	for _, o := range outcomes {
		byWay[o.Way] = o
	}
	return byWay
}

func TestGoodLabIsProven(t *testing.T) {
	got := proveFS(t, labtest.DemoFS())
	if len(got) != 8 {
		t.Errorf("want eight ways, got %v", got)
	}
	for way, percent := range map[string]int{"untouched": 0, "solution": 100, "wrong/color": 0, "wrong/heal": 50, "other/one": 100, "derived/one/twice": 50, "derived/two/twice": 100, "derived/two/early": 100} {
		if o := got[way]; !o.OK || o.Percent != percent {
			t.Errorf("%s: %+v", way, o)
		}
	}
	if g := got["solution"].Green; len(g) != 2 || g["one"] <= 0 || g["two"] <= 0 {
		t.Errorf("how soon the steps turned green: %v", g)
	}
	if a, b := got["solution"].Seed, got["untouched"].Seed; a == 0 || a == b {
		t.Errorf("ways drew their variables from the seeds %d and %d", a, b)
	}
	if d := got["wrong/heal"].Detail; !strings.Contains(d, "two/stays-gone") {
		t.Errorf("the check that was tripped is not named: %s", d)
	}
}

// TestBadLabsAreFound breaks each promise once.
func TestBadLabsAreFound(t *testing.T) {
	change := func(file, from, to string) fstest.MapFS {
		fsys := labtest.DemoFS()
		old := string(fsys[file].Data)
		if !strings.Contains(old, from) {
			t.Fatalf("%s has no %q", file, from)
		}
		fsys[file] = &fstest.MapFile{Data: []byte(strings.Replace(old, from, to, 1))}
		return fsys
	}
	for _, c := range []struct {
		name string
		fsys fstest.MapFS
		way  string
		want string
	}{
		{"passes untouched", change("demo/lab.yaml", "expr: stdout.trim() == vars.color", "expr: 'true'"), "untouched", "although nothing was done"},
		{"a later step passes by itself", change("demo/solution/01-one.sh", "> one", "> one; echo > two"), "solution", "two passes before its solution"},
		{"the solution doesn't solve", change("demo/solution/01-one.sh", "$LAB_COLOR", "pink"), "solution", "one doesn't pass within 3s"},
		{"the solution fails", change("demo/solution/02-two.sh", "echo", "false && echo"), "solution", "ended with status 1"},
		{"a wrong fix passes", change("demo/wrong/color.sh", "pink", "$LAB_COLOR"), "wrong/color", "passes the step one"},
		{"a wrong fix trips another check", change("demo/lab.yaml", "trips: stays-gone", "trips: written"), "wrong/heal", "doesn't trip the check written"},
		{"a right fix fails", change("demo/other/one.sh", "$LAB_COLOR", "pink"), "other/one", "doesn't pass within"},
		{"what is typed too early passes, and nobody says that it may", change("demo/lab.yaml", "  - {way: two/early", "  - {way: two/twice"), "derived/two/early", "passes the step: "},
		{"with what may be typed early the step before can't be left", change("demo/solution/02-two.sh", "echo", "rm -f one; echo"), "derived/two/early", "can't be left"},
		{"a solution solves the step before it as well", change("demo/solution/02-two.sh", "echo", "echo $LAB_COLOR > one; echo"), "derived/two/early", "passes the step before, one, which it doesn't solve"},
		{"what must hold until the end doesn't", change("demo/solution/02-two.sh", "echo 2", "rm one; echo 2"), "solution", "must hold until"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if o := proveFS(t, c.fsys)[c.way]; o.OK || !strings.Contains(o.Detail, c.want) {
				t.Errorf("%s: got %+v, want something with %q", c.way, o, c.want)
			}
		})
	}
}

// TestAlone counts how many ways are under way at once.
func TestAlone(t *testing.T) {
	for _, alone := range []bool{false, true} {
		lab := labtest.Demo(t)
		lab.Alone = alone
		env, _ := labtest.Env(t)
		var now, most atomic.Int32
		_, err := Lab(context.Background(), env, lab, Options{Jobs: 4, Settle: 100 * time.Millisecond,
			Report: func(Outcome) { now.Add(-1) },
			Open: func(env *labs.Env, lab *format.Lab) (*run.Session, error) {
				if n := now.Add(1); n > most.Load() {
					most.Store(n)
				}
				return labtest.Open(env, lab)
			}})
		if err != nil || (most.Load() == 1) != alone {
			t.Errorf("alone %v: %d at once, %v", alone, most.Load(), err)
		}
	}
}

// TestWaysThatShakeMachinesAreApart finds the ways that get to a step which
// acts on a machine.
// TestAloneIsNotProvenUnderALearner: what such a lab changes, there is once.
func TestAloneIsNotProvenUnderALearner(t *testing.T) {
	lab, err := format.Load(labtest.DemoFS(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	env, _ := labtest.Env(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, c := range []struct {
		alone bool
		phase progress.Phase
		want  error
	}{
		{true, progress.Underway, ErrUnderway}, {true, progress.Resetting, ErrUnderway},
		{true, progress.Done, nil}, {false, progress.Underway, nil},
	} {
		lab.Alone = c.alone
		err := run.StoreFor(env).Update(func(s *progress.State) error {
			s.Labs[lab.ID] = &progress.Lab{Phase: c.phase, Namespace: lab.Namespace}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Lab(ctx, env, lab, Options{Jobs: 4, Settle: 300 * time.Millisecond, Open: labtest.Open}); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("alone %v, the learner's is %s: %v, want %v", c.alone, c.phase, err, c.want)
		}
	}
}

func TestWaysThatShakeMachinesAreApart(t *testing.T) {
	fsys := labtest.DemoFS()
	fsys["demo/lab.yaml"].Data = []byte(strings.Replace(string(fsys["demo/lab.yaml"].Data),
		"delete: {kind: Pod, selector: app=v, pick: all}", "node: {on: node1, power: off}", 1))
	lab, err := format.Load(fsys, "demo")
	if err != nil {
		t.Fatal(err)
	}
	var apart []string
	all, err := waysOf(lab)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range all {
		if w.reaches >= shakes(lab) {
			apart = append(apart, w.name)
		}
	}
	if got := strings.Join(apart, " "); got != "solution wrong/heal other/one derived/two/twice derived/two/early" || shakes(labtest.Demo(t)) != 2 {
		t.Errorf("apart: %s", got)
	}
}

func TestInterruptedProofEnds(t *testing.T) {
	env, _ := labtest.Env(t)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(200*time.Millisecond, cancel)
	begun := time.Now()
	if _, err := Lab(ctx, env, labtest.Demo(t), Options{Open: labtest.Open, Settle: 20 * time.Second}); err == nil {
		t.Error("no error")
	}
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("took %s", d)
	}
}

// TestWhatIsLeftBehindIsTold sees that a way which breaks its promise says what was in
// the namespace: it is gone when somebody reads that.
func TestWhatIsLeftBehindIsTold(t *testing.T) {
	lab := labtest.Demo(t)
	env, _ := labtest.Env(t)
	s, world := labtest.OpenWorld(env, lab)
	world.Put(labtest.With(labtest.Pod("here", "menu-1"), "status", map[string]any{
		"phase": "Pending",
		"containerStatuses": []any{map[string]any{"name": "menu", "state": map[string]any{
			"waiting": map[string]any{"reason": "ImagePullBackOff", "message": "no such host"}}}},
	}))
	world.Put(labtest.Pod("elsewhere", "menu-2"))
	for _, kind := range []string{"Normal", "Warning"} {
		world.Put(labtest.Object("v1", "Event", "here", "e-"+strings.ToLower(kind), map[string]any{
			"type": kind, "reason": kind + "Reason", "message": "it said so", "involvedObject": map[string]any{"name": "menu-1"},
		}))
	}
	got := leftBehind(context.Background(), s.Cluster, "here")
	for _, want := range []string{"pod menu-1 on", "Pending, menu waits (ImagePullBackOff: no such host)", "WarningReason of menu-1: it said so"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in: %s", want, got)
		}
	}
	for _, unwanted := range []string{"menu-2", "NormalReason"} {
		if strings.Contains(got, unwanted) {
			t.Errorf("%q in: %s", unwanted, got)
		}
	}
}

// TestSeed repeats a proof with the variables of another one.
func TestSeed(t *testing.T) {
	fsys := labtest.DemoFS()
	fsys["demo/solution/01-one.sh"].Data = []byte("echo pink > one")
	lab, err := format.Load(fsys, "demo")
	if err != nil {
		t.Fatal(err)
	}
	env, _ := labtest.Env(t)
	outcomes, err := Lab(context.Background(), env, lab, Options{Jobs: 4, Seed: 7, Settle: 100 * time.Millisecond, Open: labtest.Open})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range outcomes {
		if o.Seed != 7 {
			t.Errorf("%s drew from %d", o.Way, o.Seed)
		}
		if want := "[again with --seed 7: color=" + run.Variables(lab, 7)["color"] + "]"; o.Way == "solution" && !strings.Contains(o.Detail, want) {
			t.Errorf("no %q in: %s", want, o.Detail)
		}
	}
}

func TestOnlySomeWays(t *testing.T) {
	lab, err := format.Load(labtest.DemoFS(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	env, _ := labtest.Env(t)
	outcomes, err := Lab(context.Background(), env, lab, Options{Jobs: 4, Ways: []string{"untouched", "solution"}, Settle: 100 * time.Millisecond, Open: labtest.Open})
	if err != nil || len(outcomes) != 2 || outcomes[0].Way != "untouched" || outcomes[1].Way != "solution" {
		t.Errorf("went %+v, %v", outcomes, err)
	}
	if wrong := (Options{Ways: []string{"wrong"}}); !wrong.takes(&way{name: "wrong/deleted", kind: "wrong"}) || wrong.takes(&way{name: "other/deleted", kind: "other"}) {
		t.Error("a kind does not take all of its ways, or takes others")
	}
}
