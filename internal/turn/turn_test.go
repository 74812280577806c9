package turn

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

var names = []string{"a", "b", "c", "d", "e", "f"}

// TestAllComeRound: over many commits each name has its turn about equally often.
func TestAllComeRound(t *testing.T) {
	count := map[string]int{}
	for i := range 600 {
		mine, left := choose(fmt.Sprintf("commit%d", i), "labs", names, 2)
		if len(mine) != 2 || len(mine)+len(left) != len(names) {
			t.Fatalf("mine %v, left %v", mine, left)
		}
		for _, n := range mine {
			count[n]++
		}
	}
	for _, n := range names {
		if count[n] < 120 || count[n] > 280 {
			t.Errorf("%s had its turn %d times of 600, about 200 are fair", n, count[n])
		}
	}
}

func TestSlowMachinesTakeFewer(t *testing.T) {
	for _, c := range []struct {
		slow string
		want int
	}{{"", 4}, {"0.7", 4}, {"2", 2}, {"1.9", 2}, {"9", 1}, {"x", 4}} {
		if got := fitting(4, c.slow); got != c.want {
			t.Errorf("slower by %q: %d, want %d", c.slow, got, c.want)
		}
	}
}

func TestWhatIsLeftIsNamed(t *testing.T) {
	notes := filepath.Join(t.TempDir(), "notes")
	t.Setenv(notesEnv, notes)
	t.Setenv(slowEnv, "")
	for _, all := range []string{"", "all"} {
		t.Setenv(numberEnv, all)
		if got := Mine("labs", names, 2); !slices.Equal(got, names) {
			t.Errorf("NORI_TURN=%q leaves out some: %v", all, got)
		}
	}
	if _, err := os.Stat(notes); err == nil {
		t.Error("something was left out where nothing may be")
	}
	t.Setenv(numberEnv, "81d7a56")
	mine := Mine("labs", names, 2)
	if again := Mine("labs", names, 2); !slices.Equal(mine, again) {
		t.Errorf("the same commit chose %v, then %v", mine, again)
	}
	text, err := os.ReadFile(notes)
	if err != nil || len(text) == 0 {
		t.Errorf("notes: %q, %v", text, err)
	}
}

// BenchmarkMachine is the fixed piece of work by which `make test` tells how
// fast this machine is: see .ci/test.
func BenchmarkMachine(b *testing.B) {
	for range b.N {
		Work()
		for range 20 { // the tests start programs more than anything else
			if err := exec.Command("true").Run(); err != nil {
				b.Fatal(err)
			}
		}
	}
}
