package cheatsheets

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/problem"
)

// columns is what fits on the narrowest terminal, 60, less the indent of a
// code block.
const columns = 56

// cells measures as terminals do: a Korean letter takes two columns, and an
// ambiguous one such as "…" takes one, whatever the locale says.
var cells = &runewidth.Condition{EastAsianWidth: false, StrictEmojiNeutral: true}

// Lint finds what is wrong with the pages of a file system: their form, a
// language that is missing or says something else than the other, lines that
// are too wide. The error is the file system's.
func Lint(fsys fs.FS) (problem.List, error) {
	topics, err := Topics(fsys)
	if err != nil {
		return nil, err
	}
	var problems problem.List
	for _, t := range topics {
		pages := map[string]*Page{}
		for _, l := range languages {
			file := path.Join(t, l+".md")
			text, err := fs.ReadFile(fsys, file)
			if errors.Is(err, fs.ErrNotExist) {
				problems = append(problems, problem.Line(file, 0, "the text in this language is missing"))
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", file, err)
			}
			page, wrong := Parse(file, string(text))
			problems = append(problems, wrong...)
			problems = append(problems, page.width()...)
			if len(wrong) == 0 {
				pages[l] = page
			}
		}
		if en, ko := pages[lang.English], pages[lang.Korean]; en != nil && ko != nil {
			problems = append(problems, compare(en, ko)...)
			problems = append(problems, ko.translated()...)
		}
	}
	return problems, nil
}

// width finds lines of code that a narrow terminal would break.
func (p *Page) width() problem.List {
	var found problem.List
	check := func(line int, text string) {
		if w := cells.StringWidth(text); w > columns {
			found = append(found, problem.Line(p.file, line, "this line of code has %d columns; at most %d fit on a narrow terminal", w, columns))
		}
	}
	for _, b := range p.Commands() {
		for i, l := range strings.Split(b.Content, "\n") {
			check(b.line+1+i, l)
		}
		for _, c := range b.Commands {
			lines := c.Lines()
			if c.Comment != "" {
				lines[0] += "  # " + c.Comment
			}
			for i, l := range lines {
				check(c.line+i, l)
			}
		}
	}
	return found
}

// compare finds where the two languages show other files or commands.
func compare(en, ko *Page) problem.List {
	if len(en.Sections) != len(ko.Sections) {
		return problem.List{problem.Line(ko.file, 0, "has %d sections, %s has %d", len(ko.Sections), en.file, len(en.Sections))}
	}
	a, b := en.Commands(), ko.Commands()
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		if x.File != y.File || x.Content != y.Content {
			return problem.List{problem.Line(ko.file, y.line, "this block is not that of %s:%d", en.file, x.line)}
		}
		for j := range min(len(x.Commands), len(y.Commands)) {
			c, d := x.Commands[j], y.Commands[j]
			if c.Line != d.Line || !slices.Equal(c.Output, d.Output) || c.Fails != d.Fails {
				return problem.List{problem.Line(ko.file, d.line, "this command or its output is not that of %s", c.At)}
			}
		}
		if len(x.Commands) != len(y.Commands) {
			return problem.List{problem.Line(ko.file, y.line, "this block has %d commands, that of %s:%d has %d", len(y.Commands), en.file, x.line, len(x.Commands))}
		}
	}
	if len(a) != len(b) {
		return problem.List{problem.Line(ko.file, 0, "has %d code blocks, %s has %d", len(b), en.file, len(a))}
	}
	return nil
}

// translated finds texts that are still not Korean.
func (p *Page) translated() problem.List {
	var found problem.List
	check := func(line int, text string) {
		if !korean(text) {
			found = append(found, problem.Line(p.file, line, "this text is not in Korean: %.40q", text))
		}
	}
	check(1, p.Summary)
	for _, s := range p.Sections {
		for _, b := range s.Blocks {
			for _, paragraph := range strings.Split(b.Prose, "\n\n") {
				if paragraph != "" {
					check(b.line, paragraph)
				}
			}
			for _, c := range b.Commands {
				if c.Comment != "" {
					check(c.line, c.Comment)
				}
			}
		}
	}
	return found
}

func korean(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Hangul, r) })
}
