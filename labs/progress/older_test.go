package progress

import (
	"os"
	"strings"
	"testing"
)

// TestOlderFile reads what a nori wrote that did not say who it was, and keeps all of it.
func TestOlderFile(t *testing.T) {
	b, err := os.ReadFile("testdata/older.json")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := Open(dir, nil, "cache1")
	if err := os.WriteFile(s.Path(), b, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(func(st *State) error { st.Labs["pods"].StepState("next").Tries++; return nil }); err != nil {
		t.Fatal(err)
	}
	st, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	lab := st.Labs["pods"]
	if st.Current != "pods" || lab.Seed != 15870065989994806653 || !lab.Passed("first") || len(lab.Steps["first"].Facts) != 2 || lab.Vars["color"] != "violet" {
		t.Errorf("read as %+v", lab)
	}
	after, err := os.ReadFile(s.Path())
	if err != nil || !strings.Contains(string(after), `"nori": "`) {
		t.Errorf("it does not say who wrote it: %s", after)
	}
}
