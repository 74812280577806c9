package shell

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

var odd = []string{"", "a b", "it's", "'", "''", "$HOME `x` \\ \"", "a\nb", "*", "-n", "\\", "ü"}

// TestJoin lets a shell take the words apart again.
func TestJoin(t *testing.T) {
	out, err := exec.Command("/bin/sh", "-c", `printf '%s\000' `+Join(odd...)).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(out), strings.Join(odd, "\x00")+"\x00"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Join(); got != "" {
		t.Errorf("no words became %q", got)
	}
}

// TestWord: a shell reads it back, and what is plain stands as it was typed.
func TestWord(t *testing.T) {
	plain := []string{"nori", "./bin/nori", "/a/b-c_d", "v1.2:x@y", "10%", "a+b", "-n"}
	for _, s := range append(plain, odd...) {
		out, err := exec.Command("/bin/sh", "-c", "printf %s "+Word(s)).Output()
		if err != nil || string(out) != s {
			t.Errorf("%q came as %q, %v", s, out, err)
		}
		if got := Word(s); slices.Contains(plain, s) != (got == s) {
			t.Errorf("%q is written %s", s, got)
		}
	}
}

func FuzzQuote(f *testing.F) {
	for _, s := range odd {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Contains(s, "\x00") {
			t.Skip("no argument of a program holds a NUL")
		}
		out, err := exec.Command("/bin/sh", "-c", "printf %s "+Quote(s)).Output()
		if err != nil || string(out) != s {
			t.Errorf("%q came as %q, %v", s, out, err)
		}
	})
}
