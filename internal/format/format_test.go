package format

import (
	"errors"
	"strings"
	"testing"

	"noriter.dev/noriter/internal/lang"
)

func TestCheck(t *testing.T) {
	what := lang.Text{EN: "the list", KO: "목록"}
	for got := range 3 {
		if err := Check(what, got, 2, "v1"); err != nil {
			t.Errorf("format %d: %v", got, err)
		}
	}
	for by, want := range map[string]string{"v9": "nori v9", "": "a newer nori"} {
		err := Check(what, 3, 2, by)
		var newer *NewerError
		if !errors.As(err, &newer) || !strings.Contains(err.Error(), "the list was written by "+want+" in format 3") {
			t.Errorf("written by %q: %v", by, err)
		}
	}
	lang.Set(lang.Korean)
	t.Cleanup(func() { lang.Set(lang.English) })
	if err := Check(what, 3, 2, "v9"); !strings.Contains(err.Error(), "목록은 nori v9") {
		t.Errorf("in Korean: %v", err)
	}
}
