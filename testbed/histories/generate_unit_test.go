package histories

import (
	"slices"
	"strings"
	"testing"
)

// TestSeedsRepeat: a seed makes the same history each time, and its line is read back
// as the same one.
func TestSeedsRepeat(t *testing.T) {
	different := map[string]bool{}
	for seed := range uint64(300) {
		for _, driver := range []string{"nspawn", "libvirt"} {
			h := generate(seed, driver)
			line := h.String()
			if again := generate(seed, driver).String(); again != line {
				t.Fatalf("seed %d made %s, then %s", seed, line, again)
			}
			read, err := parse(line)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if read.String() != line {
				t.Fatalf("%s was read as %s", line, read)
			}
			different[line] = true
		}
	}
	if len(different) < 590 {
		t.Errorf("600 seeds made only %d histories", len(different))
	}
}

// TestEachActionIsDrawn: a row that no seed draws tests nothing.
func TestEachActionIsDrawn(t *testing.T) {
	drawn := map[string]bool{}
	for seed := range uint64(3000) {
		for _, driver := range []string{"nspawn", "libvirt"} {
			for _, a := range generate(seed, driver).acts {
				drawn[a.name] = true
			}
		}
	}
	for _, a := range actions {
		if a.weight > 0 && !drawn[a.name] {
			t.Errorf("no history has %q", a.name)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, line := range []string{"", "nspawn", "nspawn red: up", "nspawn nodes=x: up", "nspawn: fly"} {
		if h, err := parse(line); err == nil {
			t.Errorf("%q was read as %s", line, h)
		}
	}
}

// TestShrink: of a long history that breaks when two of its actions come one after
// the other, those two are left.
func TestShrink(t *testing.T) {
	h, err := parse("nspawn isolated beside nodes=2: up; status; reset; kubectl apply; host reboot; status; down; status; up")
	if err != nil {
		t.Fatal(err)
	}
	runs := 0
	got := shrink(h, 100, func(c history) bool {
		runs++
		line := c.String()
		reset, down := strings.Index(line, "reset"), strings.Index(line, "down")
		return reset >= 0 && down > reset && c.bed.nodes == 2
	})
	if want := "nspawn isolated nodes=2: reset; down"; got.String() != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if runs > 40 {
		t.Errorf("it took %d runs", runs)
	}
	runs = 0
	if shrink(h, 3, func(history) bool { runs++; return false }); runs != 3 {
		t.Errorf("%d runs, where 3 are allowed", runs)
	}
}

// TestAdvice: what a message says to type is found in it.
func TestAdvice(t *testing.T) {
	got := advice("x; `nori down --name a` and `nori up --name a` make it anew\n  `nori doctor` checks, `apt-get install x` helps")
	want := []string{"nori down --name a", "nori up --name a"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestBare: what Go prints for itself, and no person should see.
func TestBare(t *testing.T) {
	for text, want := range map[string]bool{
		"panic: runtime error": true, "goroutine 1 [running]:": true, "it is %!d(string=x)": true, "memory {1536 768}": true,
		"nori: reading x: no such file": false, "ready": false, "a {b} c": false,
	} {
		if got := bare(text) != ""; got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
