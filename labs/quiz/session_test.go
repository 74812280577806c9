package quiz

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/labtest"
	"noriter.dev/noriter/labs/progress"
	"noriter.dev/noriter/labs/world"
)

func TestComputed(t *testing.T) {
	s, _ := start(t)
	a := asked(t, s, "node")
	if !slices.Equal(a.Right, []string{"node1"}) || len(a.Options) != 3 || !slices.Contains(a.Options, "control") {
		t.Errorf("got %+v", a)
	}
	if a.Text != "Where is p? ("+s.vars()["word"]+")" || a.See != "kubectl get pod p -n quiz-demo" || a.Explain != "it runs on node1" {
		t.Errorf("got %+v", a)
	}
	lang.Set("ko")
	defer lang.Set("en")
	if a := asked(t, s, "node"); !slices.Contains(a.Options, "아무 데도 없음") || !strings.HasPrefix(a.Text, "p는") {
		t.Errorf("got %+v", a)
	}
}

func TestGrades(t *testing.T) {
	s, _ := start(t)
	for _, c := range []struct {
		question, given string
		right           bool
		why             string
	}{
		{"node", "node1", true, ""},
		{"node", "control", false, "p is not on control"},
		{"node", "nowhere", false, "it runs"},
		{"node", "node1,control", false, "p is not on control"},
		{"node", "", false, ""},
		{"shared", "the address,volumes", true, ""},
		{"shared", "volumes,the address", true, ""},
		{"shared", "volumes", false, ""},
		{"shared", "volumes,the address,the image", false, "each has its own"},
		{"labels", "1", true, ""},
		{"labels", " 01 ", true, ""},
		{"labels", "0", false, "there is one"},
		{"labels", "2", false, ""},
		{"address", "10.244.1.5", true, ""},
		{"address", " `10.244.1.5` ", true, ""},
		{"address", "10.77.0.11", false, "the machine's"},
		{"address", "10.244.1.55", false, ""},
	} {
		var given []string
		if c.given != "" {
			given = strings.Split(c.given, ",")
		}
		v := s.grade(t.Context(), asked(t, s, c.question), given)
		var whys []string
		for _, n := range v.Notes {
			whys = append(whys, n.Why)
		}
		if v.Right != c.right || strings.Join(whys, "|") != c.why {
			t.Errorf("%s %q: got %+v", c.question, c.given, v)
		}
	}
	if v := asked(t, s, "shared").Grade([]string{"volumes"}); !slices.Equal(v.Missed, []string{"the address"}) {
		t.Errorf("missed %v", v.Missed)
	}
	if a := asked(t, s, "labels"); a.Acceptable("many") || a.Acceptable("1 2") || !a.Acceptable("12") || !a.Acceptable("12개") || !a.Acceptable(" 12 pods ") {
		t.Error("a number must be a number")
	}
	pair, word := &Asked{Question: &Question{Kind: Text}, Right: []string{"site=north"}}, &Asked{Question: &Question{Kind: Text}, Right: []string{"north"}}
	if pair.Acceptable("north") || !pair.Acceptable("site=south") || !pair.Acceptable("site: south") || !word.Acceptable("south") {
		t.Error("a key and its value must be both")
	}
}

// TestSpelling: what is typed as people type it is the same answer; another name is not.
func TestSpelling(t *testing.T) {
	for _, c := range []struct {
		right, typed string
		same         bool
	}{
		{"site=north", "site: north", true},
		{"site=north", "site=south", false},
		{"site=north", "north", false},
		{"tls", "secret/tls", true},
		{"tls", "secrets/tls", true},
		{"tls", "configmap/tls", true}, // it is the name that is asked for
		{"tls", "shop/tls", false},
		{"OnDelete", "on delete", true},
		{"OnDelete", "'on-delete'", true},
		{"OnDelete", "delete", false},
		{"ImagePullBackOff", "imagepull backoff", true},
		{"web-1", "web-2", false},
		{"v44", ":v44", true},
		{"v44", ":v45", false},
		{"v44", "v4:4", false},
		{"a: b c", "a=b c", true},
	} {
		a := &Asked{Question: &Question{Kind: Text}}
		if got := a.same(c.right, c.typed); got != c.same {
			t.Errorf("%q for %q: same is %v", c.typed, c.right, got)
		}
	}
}

// TestClusterChangedMeanwhile accepts what was true when the question was
// asked, and what is true when it is answered.
func TestClusterChangedMeanwhile(t *testing.T) {
	s, w := start(t)
	a := asked(t, s, "labels")
	w.Put(labtest.Pod(s.Namespace, "q"))
	for given, right := range map[string]bool{"1": true, "2": true, "3": false} {
		if v := s.grade(t.Context(), a, []string{given}); v.Right != right {
			t.Errorf("%s: got %+v", given, v)
		}
	}
}

func TestSeedDecides(t *testing.T) {
	var orders, words []string
	for _, seed := range []uint64{1, 1, 2, 3, 4, 5, 6, 7, 8} {
		s, _ := open(t)
		s.Seed = seed
		if _, err := s.Start(t.Context(), func(string) {}); err != nil {
			t.Fatal(err)
		}
		orders = append(orders, strings.Join(asked(t, s, "shared").Options, ","))
		words = append(words, s.vars()["word"])
	}
	if orders[0] != orders[1] || words[0] != words[1] {
		t.Error("the same seed made two quizzes")
	}
	if len(unique(orders)) < 3 || len(unique(words)) < 2 {
		t.Errorf("seeds make no difference: %v %v", orders, words)
	}
}

// play answers every question with what the function gives.
func play(t *testing.T, s *Session, answer func(*Asked) []string) {
	t.Helper()
	for {
		a, _, err := s.Next(t.Context(), func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		if a == nil {
			return
		}
		if _, err := s.Answer(t.Context(), a, answer(a)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAttemptIsKeptAndResumed(t *testing.T) {
	s, _ := start(t)
	a, number, err := s.Next(t.Context(), func(string) {})
	if err != nil || number != 1 || a.Question.ID != "node" {
		t.Fatalf("%+v, %d, %v", a, number, err)
	}
	if _, err := s.Answer(t.Context(), a, []string{"node1"}); err != nil {
		t.Fatal(err)
	}
	again := &Session{Env: s.Env, Quiz: s.Quiz, Cluster: s.Cluster, Store: s.Store, Namespace: s.Namespace}
	resumed, err := again.Start(t.Context(), func(string) {})
	if err != nil || resumed != 1 || again.Seed != s.Seed {
		t.Fatalf("resumed %d with seed %d, %v", resumed, again.Seed, err)
	}
	play(t, again, func(a *Asked) []string {
		if a.Question.ID == "shared" {
			return nil
		}
		return a.Right
	})
	done, best, err := again.Finish()
	if err != nil || best != nil {
		t.Fatal(best, err)
	}
	// Of five questions one can't be asked, and one was answered with nothing.
	if right, of := done.Score(); right != 3 || of != 4 || !done.Finished || len(done.Answers) != 5 {
		t.Errorf("got %d of %d: %+v", right, of, done)
	}
	if _, _, err := again.Finish(); err == nil {
		t.Error("a quiz ended twice")
	}
}

func TestNewSeedGivesTheOpenAttemptUp(t *testing.T) {
	s, _ := start(t)
	play(t, s, func(a *Asked) []string { return a.Right })
	if _, err := s.Answer(t.Context(), asked(t, s, "node"), nil); err != nil { // a second answer changes nothing
		t.Fatal(err)
	}
	other := &Session{Env: s.Env, Quiz: s.Quiz, Cluster: s.Cluster, Store: s.Store, Namespace: s.Namespace, Seed: 99}
	if resumed, err := other.Start(t.Context(), func(string) {}); err != nil || resumed != 0 {
		t.Fatal(resumed, err)
	}
	if _, err := s.Answer(t.Context(), asked(t, s, "node"), nil); err == nil {
		t.Error("an attempt that was given up took an answer")
	}
	state, err := s.Store.Load()
	if err != nil {
		t.Fatal(err)
	}
	z := state.Quizzes["demo"]
	if len(z.History) != 1 || z.History[0].Finished || z.Best() != nil || z.Open.Seed != 99 {
		t.Errorf("got %+v", z)
	}
	if right, of := z.History[0].Score(); right != 4 || of != 4 {
		t.Errorf("got %d of %d", right, of)
	}
}

// TestWorld is made, made again from where it was left, and taken away.
func TestWorld(t *testing.T) {
	s, w := start(t)
	pod, err := s.Cluster.Get(t.Context(), "Pod", "v1", "quiz-demo", "p")
	if err != nil || pod == nil || pod.GetLabels()["word"] != s.vars()["word"] {
		t.Fatalf("%v, %v", pod, err)
	}
	if err := s.build(t.Context(), func(string) {}); err != nil {
		t.Error("can't be done again:", err)
	}
	other := &Session{Env: s.Env, Quiz: s.Quiz, Cluster: s.Cluster, Store: s.Store, Namespace: s.Namespace, Seed: 8}
	if err := other.build(t.Context(), func(string) {}); err != nil {
		t.Fatal(err)
	}
	ns, err := s.Cluster.Get(t.Context(), "Namespace", "v1", "", "quiz-demo")
	if err != nil || ns.GetAnnotations()[world.AttemptAnnotation] != "8" {
		t.Errorf("%v, %v: the world of another attempt was kept", ns, err)
	}
	left, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Close(left); err != nil {
		t.Fatal(err)
	}
	if ns, _ := s.Cluster.Get(t.Context(), "Namespace", "v1", "", "quiz-demo"); ns != nil {
		t.Error("the world outlived a learner who left")
	}
	w.Refuse(errors.New("full"))
	if err := s.build(t.Context(), func(string) {}); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("got %v", err)
	}
	w.Refuse(nil)
}

func TestBest(t *testing.T) {
	attempt := func(finished bool, right ...bool) progress.QuizAttempt {
		a := progress.QuizAttempt{Finished: finished}
		for _, r := range right {
			a.Answers = append(a.Answers, progress.QuizAnswer{Right: r})
		}
		return a
	}
	q := &progress.Quiz{History: []progress.QuizAttempt{
		attempt(true, true, false), attempt(true, true, true, false), attempt(false, true), attempt(true, false)}}
	if got := q.Best(); got != &q.History[1] {
		t.Errorf("got %+v", got)
	}
	var none *progress.Quiz
	if none.Best() != nil || (&progress.Quiz{}).Best() != nil {
		t.Error("a best of nothing")
	}
}

// TestWording: the history shows a question as it was asked, years later and
// without a cluster.
func TestWording(t *testing.T) {
	s, _ := start(t, "Which address?", "Where is {{pods[0].metadata.name}}?")
	if got, want := s.Quiz.Wording("node", s.Seed), asked(t, s, "node").Text; got != want {
		t.Errorf("got %q, was asked %q", got, want)
	}
	words := map[string]bool{} // what is drawn depends on the seed
	for seed := range uint64(20) {
		words[s.Quiz.Wording("node", seed+1)] = true
	}
	if len(words) != 2 {
		t.Errorf("20 seeds give %v", words)
	}
	for _, id := range []string{"address", "gone"} { // of that day's cluster; not in the quiz any more
		if got := s.Quiz.Wording(id, s.Seed); got != id {
			t.Errorf("%s: got %q", id, got)
		}
	}
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for _, z := range all {
		for i := range z.Questions {
			if id := z.Questions[i].ID; z.Wording(id, 7) == id {
				t.Errorf("%s: the question %s can't be worded without a cluster", z.Topic, id)
			}
		}
	}
}
