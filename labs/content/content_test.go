package content

import (
	"testing"

	"noriter.dev/noriter/labs/format"
)

// TestContent reads every lab strictly; a mistake is shown with its place.
func TestContent(t *testing.T) {
	if err := format.Lint(FS); err != nil {
		t.Fatal(err)
	}
	all, err := format.LoadAll(FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		if len(l.Steps) < 6 || len(l.Wrong) < 3 || len(l.Other) < 1 {
			t.Errorf("%s: %d steps, %d wrong fixes, %d other right ones: too few", l.ID, len(l.Steps), len(l.Wrong), len(l.Other))
		}
		for _, language := range []string{"en", "ko"} {
			if l.Prose[language] == nil {
				t.Errorf("%s: no text in %s", l.ID, language)
			}
		}
	}
}
