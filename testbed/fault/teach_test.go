package fault

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/testbed"
)

// TestEachFaultTeaches: every text is there in both languages, and no hint names the fault.
func TestEachFaultTeaches(t *testing.T) {
	hangul := regexp.MustCompile(`\p{Hangul}`)
	seen := map[string]string{}
	for _, f := range All() {
		if f.Level < MinLevel || f.Level > MaxLevel {
			t.Errorf("%s has the level %d", f.Name, f.Level)
		}
		how := f.Teaching()
		texts := append([]lang.Text{f.What, f.Symptom, how.Lesson}, how.Hints[:]...)
		for i, text := range texts {
			if text.EN == "" || !hangul.MatchString(text.KO) || hangul.MatchString(text.EN) {
				t.Errorf("%s: text %d is not there in both languages: %q, %q", f.Name, i, text.EN, text.KO)
			}
		}
		if how.Mend.EN == "" || how.Mend.KO == "" {
			t.Errorf("%s: nobody says how it is mended", f.Name)
		}
		for i, h := range how.Hints {
			for _, said := range []string{h.EN, h.KO} {
				if strings.Contains(said, f.Name) {
					t.Errorf("hint %d of %s names it: %s", i+1, f.Name, said)
				}
			}
			// First hints may be shared: they are vague.
			if other := seen[h.EN]; other != "" && i > 0 {
				t.Errorf("hint %d of %s is one of %s, too", i+1, f.Name, other)
			}
			seen[h.EN] = f.Name
		}
	}
	for name := range teachings {
		if _, err := Find(name); err != nil {
			t.Errorf("%s is taught, and is no fault", name)
		}
	}
}

// TestPairsMayBeCombined: no pair is there twice, of one fault, or in an order in which the
// second would keep the first from showing; every fault of the highest level is in one.
func TestPairsMayBeCombined(t *testing.T) {
	had := map[string]bool{}
	in := map[string]bool{}
	for _, p := range pairs {
		a, b := p[0].Name, p[1].Name
		if key := min(a, b) + " " + max(a, b); a == b || had[key] {
			t.Errorf("%s and %s: twice, or one alone", a, b)
		} else {
			had[key] = true
		}
		if p[0].workload && p[1].workload {
			t.Errorf("%s and %s may break one and the same object", a, b)
		}
		if p[1].workload {
			t.Errorf("%s goes in before %s: what is broken in the shop is broken while the rest works", a, b)
		}
		in[a], in[b] = true, true
	}
	for _, f := range All() {
		if f.Level == MaxLevel && !in[f.Name] {
			t.Errorf("%s is of level %d and in no pair: nobody would ever draw it", f.Name, f.Level)
		}
	}
}

// TestDraw: the same seed draws the same, each level comes, and each fault of a level.
func TestDraw(t *testing.T) {
	levels, names := map[int]bool{}, map[string]bool{}
	for seed := range uint64(400) {
		level, faults := draw(seed, 0)
		levels[level] = true
		again, same := draw(seed, level)
		if again != level || !slices.Equal(same, faults) {
			t.Fatalf("seed %d of level %d draws others than without a level", seed, level)
		}
		if want := 1 + level/MaxLevel; len(faults) != want {
			t.Fatalf("level %d drew %d faults", level, len(faults))
		}
		for _, f := range faults {
			names[f.Name] = true
			if level < MaxLevel && f.Level != level {
				t.Fatalf("level %d drew %s of level %d", level, f.Name, f.Level)
			}
		}
	}
	if len(levels) != MaxLevel || len(names) != len(All()) {
		t.Errorf("400 seeds drew the levels %v and %d of %d faults", levels, len(names), len(All()))
	}
	var u *testbed.UsageError
	for _, level := range []int{-1, MaxLevel + 1} {
		if err := checkLevel(level); !errors.As(err, &u) {
			t.Errorf("level %d: %v", level, err)
		}
	}
}

func TestWorth(t *testing.T) {
	for _, c := range []struct {
		e    testbed.Exercise
		want int
	}{
		{testbed.Exercise{Level: 1}, 100}, {testbed.Exercise{Level: 3}, 300},
		{testbed.Exercise{Level: 1, Hints: 1}, 90}, {testbed.Exercise{Level: 2, Hints: 3}, 80},
		{testbed.Exercise{Level: 2, Revealed: true}, 0},
	} {
		if got, most := Worth(&c.e); got != c.want || most != 100*c.e.Level {
			t.Errorf("%+v is worth %d of %d", c.e, got, most)
		}
	}
}

// TestPodIsCountedOnce: while a Service's ports change, its pods are in two slices.
func TestPodIsCountedOnce(t *testing.T) {
	second := shopSlice()
	second.Name = "web-2"
	second.Endpoints = append(second.Endpoints, discoveryv1.Endpoint{Addresses: []string{"10.244.2.2"}})
	w := worldOf(shopService(), shopSlice(), second)
	if n, err := w.readyEndpoints(t.Context(), testbed.Fault{Namespace: "shop", Object: "web"}); err != nil || n != 2 {
		t.Errorf("two pods in two slices are %d ready endpoints, %v", n, err)
	}
}

// TestNoMend: what is removed, scaled down or merely there is not mended.
func TestNoMend(t *testing.T) {
	f := testbed.Fault{Namespace: "shop", Object: "web", Undo: map[string]string{undoReplicas: "1"}}
	for _, fault := range []*Fault{selectorBroken, targetPortBroken, imageTagBroken, pullSecretMissing} {
		if s, err := fault.look(t.Context(), worldOf(), f); err != nil || s.State != Missing {
			t.Errorf("%s of what was removed: %v, %v", fault.Name, s.State, err)
		}
	}
	none := shopDeployment()
	none.Spec.Replicas, none.Status.Replicas, none.Status.UpdatedReplicas, none.Status.AvailableReplicas = new(int32), 0, 0, 0
	if s, err := imageTagBroken.look(t.Context(), worldOf(none), f); err != nil || s.State != Between {
		t.Errorf("scaled to zero: %v, %v", s.State, err)
	}
	login := func(auths string) v1.Secret {
		return v1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "login"}, Data: map[string][]byte{v1.DockerConfigJsonKey: []byte(auths)}}
	}
	was := login(`{"auths":{"r:5443":{"username":"u","password":"p"}}}`)
	for auths, same := range map[string]bool{
		`{"auths":{"r:5443":{"auth":"dTpw"}}}`:                            true,
		`{"auths":{"r:5443":{"username":"u","password":"p"},"other":{}}}`: true,
		`{"auths":{"r:5443":{"username":"u","password":"x"}}}`:            false,
		`{"auths":{}}`: false, ``: false,
	} {
		if sameLogins(was, login(auths)) != same {
			t.Errorf("%s logs in as before: want %v", auths, same)
		}
	}
}
