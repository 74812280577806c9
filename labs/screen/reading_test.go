package screen_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/labtest"
)

// longLab is the demo whose first step is longer than a terminal of 24 rows.
func longLab(t *testing.T) *format.Lab {
	t.Helper()
	files := labtest.DemoFS()
	for _, f := range []string{"demo/en.md", "demo/ko.md"} {
		var lines []string
		for i := 1; i <= 50; i++ {
			lines = append(lines, fmt.Sprintf("- line %d of the step", i))
		}
		text := string(files[f].Data)
		at := strings.Index(text, "### hint")
		files[f].Data = []byte(text[:at] + strings.Join(lines, "\n") + "\n" + text[at:])
	}
	lab, err := format.Load(files, "demo")
	if err != nil {
		t.Fatal(err)
	}
	return lab
}

// last is what was drawn since a mark.
func (p *player) since(mark int) string { return escapes.ReplaceAllString(p.text()[mark:], "") }

// TestFullPageKeepsItsBeginning: a text that just fits is not pushed off by the checks below
// it before a key says so, and the key for it leads back to the top.
func TestFullPageKeepsItsBeginning(t *testing.T) {
	p := playOn(t, "en", false, true, longLab(t), 60)
	p.sees("space: go on")
	if first := p.since(strings.LastIndex(p.text(), "\x1b[2J")); !strings.Contains(first, "The introduction.") || strings.Contains(first, "the file one says") {
		t.Errorf("the first page:\n%s", first)
	}
	p.press(" ")
	p.sees("b: from the top")
	mark := len(p.text())
	p.press("b")
	p.seesAfter(mark, "space: go on")
	if again := p.since(mark); strings.Contains(again, "the file one says") {
		t.Errorf("from the top:\n%s", again)
	}
}

// TestLongStepBeginsAtItsBeginning: on a low terminal a long step shows its first lines, and
// that there are more; a key goes on, and another leads back.
func TestLongStepBeginsAtItsBeginning(t *testing.T) {
	p := playOn(t, "en", false, true, longLab(t), 24)
	p.sees("more lines -- space: go on")
	mark := strings.LastIndex(p.text(), "\x1b[2J")
	first, _, _ := strings.Cut(p.since(mark), " more lines")
	if !strings.Contains(first, "The introduction.") || strings.Contains(first, "line 20 ") || strings.Contains(first, "the file one says") {
		t.Errorf("the first page:\n%s", first)
	}
	if rows := strings.Count(first, "\n"); rows > 23 {
		t.Errorf("%d rows on 24: its beginning has scrolled away", rows)
	}
	for end := time.Now().Add(10 * time.Second); !strings.Contains(p.since(mark), "line 50 ") && time.Now().Before(end); {
		p.press(" ")
		time.Sleep(50 * time.Millisecond)
	}
	p.sees("b: from the top")
	var numbers []int
	for _, l := range strings.Split(p.since(mark), "\n") {
		var n int
		if _, err := fmt.Sscanf(strings.TrimSpace(l), "- line %d of", &n); err == nil {
			numbers = append(numbers, n)
		}
	}
	if len(numbers) != 50 || !slices.IsSorted(numbers) {
		t.Errorf("not every line is there once: %v", numbers)
	}
	before := strings.Count(p.text(), "\x1b[2J")
	p.press("h") // at the bottom, below the checks, and not above them
	p.sees("first nudge")
	if strings.Count(p.text(), "\x1b[2J") != before {
		t.Error("a hint redraws the text")
	}
	if i := strings.LastIndex(p.text(), "\x1b[J"); strings.Index(p.text()[i:], "first nudge") < strings.Index(p.text()[i:], "the file one says") {
		t.Errorf("the hint stands above the checks:\n%s", p.text()[i:])
	}
}
