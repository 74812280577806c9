package lang

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

// choose sets the language for one test.
func choose(t *testing.T, l string) {
	before := Current()
	Set(l)
	t.Cleanup(func() { Set(before) })
}

func TestText(t *testing.T) {
	text := Textf("%s is %d; %s", "%s은(는) %d, %s", "hello", 3, Text{EN: "it works", KO: "동작함"})
	choose(t, Korean)
	if got, want := text.String(), "hello는 3, 동작함"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	choose(t, English)
	if got, want := text.String(), "hello is 3; it works"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestErrorf: the language is that of the moment of printing, also of errors
// that are wrapped, and what is wrapped is found.
func TestErrorf(t *testing.T) {
	choose(t, English)
	inner := Errorf("reading %s: %w", "%s 읽기: %w", "state.json", fs.ErrNotExist)
	err := fmt.Errorf("up: %w", Errorf("testbed %q: %w", "테스트베드 %q: %w", "a", inner))
	if got, want := err.Error(), `up: testbed "a": reading state.json: file does not exist`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, inner) {
		t.Error("the cause is not found")
	}
	choose(t, Korean)
	outer := Errorf("no %s in %s", "%[2]s에 %[1]s이(가) 없습니다", "node", "파드")
	if got, want := outer.Error(), "파드에 node가 없습니다"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := Errorf("testbed %q: %w", "테스트베드 %q: %w", "a", inner).Error(), `테스트베드 "a": state.json 읽기: file does not exist`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
