package format

import (
	"errors"
	"regexp"
	"strings"

	"github.com/mattn/go-runewidth"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/internal/strict"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/field"
)

// Prose is a lab's text in one language.
//
//	# Title
//	What the lab is about.
//	## Heading {#step-id}
//	The step's text.
//	### hint
//	The first nudge (a second `### hint` is the second tier).
//	### hint pending
//	A computed hint, shown while its `when` holds.
//	## Heading {#end}
//	What was learnt.
type Prose struct {
	File     string
	Title    string
	Intro    *expr.Template
	Sections map[string]*Section
	order    []string
}

// Section is the text of one step.
type Section struct {
	Heading string
	Text    *expr.Template
	// Hints are the tiers that cost points, Computed those shown by `when`.
	Hints    []*expr.Template
	Computed map[string]*expr.Template
	line     int
}

// End is the id of the closing section.
const End = "end"

// columns is what fits on the narrowest terminal, 60, less the indent of a
// code block.
const columns = 56

// placeholder is counted as a word of eight letters.
var placeholder = regexp.MustCompile(`\{\{.*?\}\}`)

var heading = regexp.MustCompile(`^## +(.*?) *\{#([a-z0-9-]+)\} *$`)

// proseParser goes over the lines and collects them into sections.
type proseParser struct {
	prose    *Prose
	problems problem.List
	section  *Section
	lines    []string
	start    int
	store    func(*expr.Template)
}

func (p *proseParser) fail(line int, format string, args ...any) {
	p.problems = append(p.problems, problem.Line(p.prose.File, line, format, args...))
}

// ParseProse splits a text into its sections.
func ParseProse(file, text string) (*Prose, problem.List) {
	p := &proseParser{prose: &Prose{File: file, Sections: map[string]*Section{}}, start: 1}
	p.store = func(t *expr.Template) { p.prose.Intro = t }
	fenced := false
	for i, line := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		n := i + 1
		fence := strings.HasPrefix(line, "```")
		if fence {
			fenced = !fenced
		}
		if width := runewidth.StringWidth(placeholder.ReplaceAllString(line, "12345678")); fenced && !fence && width > columns {
			p.fail(n, "this line of a code block is %d columns wide; at most %d fit on a terminal of 60", width, columns)
		}
		if fenced || !p.headline(n, line) {
			p.lines = append(p.lines, line)
		}
	}
	p.flush()
	if fenced {
		p.fail(p.start, "a code block (```) is never closed")
	}
	if p.prose.Title == "" {
		p.fail(1, "the title (# …) is missing")
	}
	return p.prose, p.problems
}

// headline handles a line that starts something new.
func (p *proseParser) headline(n int, line string) bool {
	switch {
	case strings.HasPrefix(line, "### "):
		p.flush()
		p.hint(n, strings.Fields(line[4:]))
	case strings.HasPrefix(line, "## "):
		p.flush()
		m := heading.FindStringSubmatch(line)
		if m == nil {
			p.fail(n, "want a heading with the step's id, such as: ## Your first pod {#first}")
			return true
		}
		if p.prose.Sections[m[2]] != nil {
			p.fail(n, "there are two sections {#%s}", m[2])
		}
		s := &Section{Heading: m[1], Computed: map[string]*expr.Template{}, line: n}
		p.section, p.prose.Sections[m[2]] = s, s
		p.prose.order = append(p.prose.order, m[2])
		p.store = func(t *expr.Template) { s.Text = t }
	case strings.HasPrefix(line, "# "):
		p.prose.Title = strings.TrimSpace(line[2:])
	default:
		return false
	}
	p.start = n + 1
	return true
}

func (p *proseParser) hint(n int, words []string) {
	s := p.section
	switch {
	case s == nil:
		p.fail(n, "a hint before the first section")
	case len(words) == 1 && words[0] == "hint":
		p.store = func(t *expr.Template) { s.Hints = append(s.Hints, t) }
	case len(words) == 2 && words[0] == "hint":
		if s.Computed[words[1]] != nil {
			p.fail(n, "there are two hints %q in this section", words[1])
		}
		p.store = func(t *expr.Template) { s.Computed[words[1]] = t }
	default:
		p.fail(n, "want `### hint` or `### hint NAME`, found %q", strings.Join(words, " "))
	}
}

// flush ends the piece of text that was being collected.
func (p *proseParser) flush() {
	text := strings.Join(p.lines, "\n")
	p.lines = nil
	trimmed := strings.TrimLeft(text, "\n")
	skipped := len(text) - len(trimmed)
	t, err := expr.CompileTemplate(strings.TrimRight(trimmed, "\n"), "files")
	if err != nil {
		line := p.start + skipped
		var mistake *expr.Error
		if errors.As(err, &mistake) {
			line += mistake.Line - 1
		}
		p.fail(line, "%v", err)
		t, _ = expr.CompileTemplate("") // no expression in it, so no mistake
	}
	p.store(t)
}

// checkProse holds a text against the lab: the same steps in the same order,
// every hint there, every variable declared.
func (l *Lab) checkProse(p *Prose) (problems problem.List) {
	fail := func(line int, format string, args ...any) {
		problems = append(problems, problem.Line(p.File, line, format, args...))
	}
	var want []string
	for _, s := range l.Steps {
		want = append(want, s.ID)
	}
	want = append(want, End)
	for _, id := range want {
		if p.Sections[id] == nil {
			fail(0, "the section {#%s} is missing", id)
		}
	}
	for _, id := range p.order {
		if s := p.Sections[id]; l.Step(id) == nil && id != End {
			fail(s.line, "there is no step %q%s", id, strict.Suggest(id, want))
		} else if strings.TrimSpace(s.Text.Source()) == "" {
			fail(s.line, "the section {#%s} is empty", id)
		}
	}
	for i := range l.Steps {
		step := &l.Steps[i]
		if s := p.Sections[step.ID]; s != nil {
			problems = append(problems, step.checkHints(p.File, s)...)
		}
	}
	for _, id := range p.order {
		problems = append(problems, l.checkSection(p.File, p.Sections[id])...)
	}
	return problems
}

func (s *Step) checkHints(file string, section *Section) (problems problem.List) {
	fail := func(format string, args ...any) {
		problems = append(problems, problem.Line(file, section.line, format, args...))
	}
	if len(section.Hints) != len(s.Cost) {
		fail("step %q has %d hints that cost points, want %d", s.ID, len(section.Hints), len(s.Cost))
	}
	used := map[string]bool{}
	for _, w := range s.When {
		used[w.Hint] = true
		if section.Computed[w.Hint] == nil {
			fail("step %q: `### hint %s` is missing", s.ID, w.Hint)
		}
	}
	for name := range section.Computed {
		if !used[name] {
			fail("step %q: no `when` shows the hint %q", s.ID, name)
		}
	}
	return problems
}

// checkSection finds variables that aren't declared.
func (l *Lab) checkSection(file string, s *Section) (problems problem.List) {
	texts := append([]*expr.Template{s.Text}, s.Hints...)
	for _, t := range s.Computed {
		texts = append(texts, t)
	}
	for _, t := range texts {
		for _, name := range field.UsedVars(t.Source()) {
			if _, ok := l.Vars[name]; !ok {
				problems = append(problems, problem.Line(file, s.line, "vars.%s is not declared", name))
			}
		}
	}
	return problems
}
