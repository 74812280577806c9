package screen

import (
	"testing"

	"noriter.dev/noriter/labs/content"
	"noriter.dev/noriter/labs/format"
)

// TestStepsThatNameATerminal: where a step asks for another terminal, in both languages,
// the screen says how kubectl works there.
func TestStepsThatNameATerminal(t *testing.T) {
	all, err := format.LoadAll(content.FS)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, lab := range all {
		for _, step := range lab.Steps {
			en := namesTerminal.MatchString(lab.Prose["en"].Sections[step.ID].Text.Source())
			ko := namesTerminal.MatchString(lab.Prose["ko"].Sections[step.ID].Text.Source())
			if en != ko {
				t.Errorf("%s/%s names another terminal in English %v, in Korean %v", lab.ID, step.ID, en, ko)
			}
			if en {
				found++
			}
		}
	}
	if found < 4 {
		t.Errorf("%d steps found", found)
	}
}
