package progress

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestRoundTrip(t *testing.T) {
	s := Open(t.TempDir(), nil, "noriter")
	now := time.Now().UTC().Truncate(time.Second)
	err := s.Update(func(st *State) error {
		st.Current = "pods"
		st.Labs["pods"] = &Lab{Phase: Underway, Seed: 7, Step: "look", Steps: map[string]*Step{"first": {Passed: &now, Facts: []string{"f"}}},
			History: []Attempt{{Finished: true, Points: 5}, {Finished: true, Points: 9}, {Points: 20}}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	l := got.Labs["pods"]
	if got.Current != "pods" || l.Seed != 7 || !l.Passed("first") || l.Passed("look") {
		t.Fatalf("got %+v", l)
	}
	if best, ok := l.Best(); !ok || best != 9 {
		t.Fatalf("best is %d, %v", best, ok)
	}
}

func TestFailedChangeWritesNothing(t *testing.T) {
	s := Open(t.TempDir(), nil, "b")
	boom := errors.New("boom")
	if err := s.Update(func(st *State) error { st.Current = "x"; return boom }); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.Path()); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the file is there: %v", err)
	}
}

func TestUnreadableFileIsKeptAndNamed(t *testing.T) {
	for _, content := range []string{"{half", `{"version": 99, "nori": "v9", "labs": 7}`, `[]`, `{"version":1,"labs":{"x":null}}`} {
		s := Open(t.TempDir(), nil, "b")
		if err := os.WriteFile(s.Path(), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := s.Load()
		if strings.Contains(content, `"x":null`) {
			if err != nil {
				t.Errorf("%s: %v", content, err)
			}
			continue
		}
		says := "remedy"
		if strings.Contains(content, "99") {
			says = "was written by nori v9 in format 99"
		}
		if err == nil || !strings.Contains(err.Error(), s.Path()) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v", content, err)
		}
		if err := s.Update(func(*State) error { return nil }); err == nil {
			t.Errorf("%s: was overwritten", content)
		}
		if after, _ := os.ReadFile(s.Path()); string(after) != content {
			t.Errorf("%s: became %s", content, after)
		}
	}
}

func TestTwoWritersLoseNothing(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 5 {
				err := Open(dir, nil, "b").Update(func(st *State) error {
					if st.Labs["x"] == nil {
						st.Labs["x"] = &Lab{}
					}
					st.Labs["x"].StepState("s").Tries++
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
	st, err := Open(dir, nil, "b").Load()
	if err != nil || st.Labs["x"].StepState("s").Tries != 40 {
		t.Fatalf("got %+v, %v", st, err)
	}
}

// TestOthersCannotLock: whoever can read a file can lock it, and so keep its owner waiting
// for ever. What an older version left open is closed.
func TestOthersCannotLock(t *testing.T) {
	s := Open(t.TempDir(), nil, "b")
	for _, f := range []string{s.Path() + ".lock", s.making} {
		if err := os.WriteFile(f, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Update(func(*State) error { return nil }); err != nil {
		t.Fatal(err)
	}
	unlock, err := s.TryMaking()
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	for _, f := range []string{s.Path(), s.Path() + ".lock", s.making} {
		if fi, err := os.Stat(f); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s is %v, %v", f, fi.Mode(), err)
		}
	}
}

// TestKilledWriter kills a process that writes all the time, again and again,
// and wants a whole file every time.
func TestKilledWriter(t *testing.T) {
	if dir := os.Getenv("PROGRESS_WRITER"); dir != "" {
		for {
			_ = Open(dir, nil, "b").Update(func(st *State) error {
				st.Labs["x"] = &Lab{Vars: map[string]string{"long": strings.Repeat("x", 100_000)}}
				return nil
			})
		}
	}
	dir := t.TempDir()
	for range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWriter$")
		cmd.Env = append(os.Environ(), "PROGRESS_WRITER="+dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(120 * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		st, err := Open(dir, nil, "b").Load()
		if err != nil {
			t.Fatal(err)
		}
		if l := st.Labs["x"]; l != nil && len(l.Vars["long"]) != 100_000 {
			t.Fatalf("half a file: %d", len(l.Vars["long"]))
		}
	}
}
