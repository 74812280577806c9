package histories

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestLived: each row can be lived, and stands there once; of what may happen to a
// testbed of container machines, there is something of everything.
func TestLived(t *testing.T) {
	seen, done := map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(lived) {
		line = strings.TrimSpace(line)
		h, err := parse(line)
		switch {
		case err != nil:
			t.Errorf("%v; such a row can't be lived any more: take it out", err)
			continue
		case h.String() != line:
			t.Errorf("%s is read as %s", line, h)
		case seen[line]:
			t.Errorf("twice: %s", line)
		}
		seen[line] = true
		for _, a := range h.acts {
			done[a.name] = true
		}
	}
	for _, a := range actions {
		if a.weight > 0 && a.driver != "libvirt" && !done[a.name] {
			t.Errorf("no row has %q: `make histories` lives one, or NORI_HISTORY='…' make histories", a.name)
		}
	}
}

// TestPlanned: fresh seeds are drawn only where somebody asked for histories. Else the
// commit chooses among those that were lived.
func TestPlanned(t *testing.T) {
	rows, err := rowsOf(lived, "nspawn")
	if err != nil {
		t.Fatal(err)
	}
	ask := func(env map[string]string) plan {
		t.Helper()
		for _, name := range []string{timeEnv, historyEnv, seedEnv, driverEnv, "NORI_TURN"} {
			t.Setenv(name, env[name])
		}
		p, err := planned()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := map[string]bool{}
	for _, commit := range strings.Split("abcdefgh", "") {
		p := ask(map[string]string{"NORI_TURN": commit})
		for i := range uint64(len(rows) + 3) { // the rows begin again where they end
			d, ok := p.nth(i)
			if !ok || !slices.ContainsFunc(rows, func(h history) bool { return h.String() == d.history.String() }) {
				t.Fatalf("commit %s draws %s: %s", commit, d.from, d.history)
			}
		}
		d, _ := p.nth(0)
		again, _ := ask(map[string]string{"NORI_TURN": commit}).nth(0)
		if d.from != again.from {
			t.Errorf("commit %s draws %s, then %s", commit, d.from, again.from)
		}
		first[d.from] = true
	}
	if len(first) < 3 {
		t.Errorf("eight commits begin with the same rows: %v", first)
	}
	d, _ := ask(map[string]string{timeEnv: "2h", seedEnv: "7", "NORI_TURN": "a"}).nth(2)
	if want := generate(9, "nspawn").String(); d.history.String() != want {
		t.Errorf("the third of seed 7 on is %s, want %s", d.history, want)
	}
	const mine = "nspawn nodes=1: up; reset"
	p := ask(map[string]string{timeEnv: "2h", historyEnv: mine})
	d, ok := p.nth(0)
	if _, more := p.nth(1); !ok || more || d.history.String() != mine {
		t.Errorf("one's own history: %s, and more: %v", d.history, more)
	}
}

// TestRecord: what was lived is added once, if it was quick enough, and only where a file
// for it is named.
func TestRecord(t *testing.T) {
	h, err := parse("nspawn nodes=1: up; reset")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(livedEnv, "")
	if err := record(h, time.Second); err != nil {
		t.Error(err)
	}
	path := filepath.Join(t.TempDir(), "lived.txt")
	if err := os.WriteFile(path, []byte("nspawn nodes=1: up\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv(livedEnv, path)
	for range 2 {
		if err := record(h, time.Second); err != nil {
			t.Error(err)
		}
	}
	h.bed.nodes = 2
	if err := record(h, time.Hour); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "nspawn nodes=1: up\nnspawn nodes=1: up; reset\n" {
		t.Errorf("%s, %v", b, err)
	}
}
