package screen_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"

	"noriter.dev/noriter/cheatsheets"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/screen"
)

// TestSheets shows every cheatsheet in both languages on the narrowest
// terminal, without colour.
func TestSheets(t *testing.T) {
	t.Setenv("COLUMNS", "60")
	t.Cleanup(func() { lang.Set("en") })
	for _, l := range []string{"en", "ko"} {
		lang.Set(l)
		pages, err := cheatsheets.LoadAll(cheatsheets.FS, l)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		ui := &screen.UI{Out: &out, Command: "nori"}
		if err := ui.Topics(pages); err != nil {
			t.Fatal(err)
		}
		for _, p := range pages {
			if !strings.Contains(out.String(), p.Topic+" ") {
				t.Errorf("%s is not listed", p.Topic)
			}
			if err := ui.Sheet(p); err != nil {
				t.Fatal(err)
			}
			for _, s := range p.Sections {
				if !strings.Contains(out.String(), "== "+s.Heading+" ==\n") {
					t.Errorf("%s in %s lacks the section %q", p.Topic, l, s.Heading)
				}
			}
			for _, b := range p.Commands() {
				for _, c := range b.Commands {
					if !strings.Contains(out.String(), "$ "+strings.Split(c.Line, "\n")[0]) {
						t.Errorf("%s in %s lacks %q", p.Topic, l, c.Line)
					}
				}
			}
		}
		for _, line := range strings.Split(out.String(), "\n") {
			if w := (&runewidth.Condition{}).StringWidth(line); w > 60 || strings.Contains(line, "\x1b") {
				t.Errorf("%d columns: %q", w, line)
			}
		}
	}
}

func TestSheetColours(t *testing.T) {
	page, problems := cheatsheets.Parse("x/en.md", "# T\n\nS.\n\n## H\n\n```console\n$ true   # well\nok\n$ a longer one\n```\n")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var out bytes.Buffer
	ui := &screen.UI{Out: &out, Color: true}
	if err := ui.Sheet(page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\x1b[36m$ true\x1b[", "# well", "\n    ok\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in %q", want, out.String())
		}
	}
}
