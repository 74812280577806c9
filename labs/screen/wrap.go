package screen

import (
	"strings"

	"github.com/mattn/go-runewidth"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/printable"
)

// cells measures text as terminals do: Korean and other wide characters take
// two columns, and ambiguous ones one, whatever the locale says.
var cells = &runewidth.Condition{EastAsianWidth: false, StrictEmojiNeutral: true}

// span is a piece of text in one style.
type span struct {
	text  string
	style func(string) string
}

// wrap breaks spans at spaces into lines of at most width columns. A word in Hangul that is
// longer than a line is broken anywhere. One in letters is a name, an address or a command:
// it stays whole, so that what is copied is what was meant.
func wrap(spans []span, width int) []string {
	w := &wrapper{width: max(width, 8)}
	for _, s := range withParticles(spans) {
		// As it will be shown, or the lines would be of another width.
		for i, word := range strings.Split(printable.Text(s.text), " ") {
			if i > 0 {
				w.space()
			}
			if word != "" {
				w.word(word, s.style)
			}
		}
	}
	w.newline()
	return w.lines
}

// withParticles puts the particles that are read in the place of pairs, which may
// stand in another span than the word before them.
func withParticles(spans []span) []span {
	if lang.Current() != lang.Korean {
		return spans
	}
	out, before := make([]span, len(spans)), ""
	for i, s := range spans {
		out[i] = span{lang.ParticlesAfter(before, s.text), s.style}
		before += out[i].text
	}
	return out
}

// unbroken keeps a command on one line, where it fits.
func unbroken(s string) string { return strings.ReplaceAll(s, " ", noBreak) }

// noBreak is a space at which no line ends (U+00A0); it is written as a plain one.
const noBreak = "\u00a0"

// wrapText wraps plain text in one style.
func wrapText(text string, width int, style func(string) string) []string {
	var out []string
	for _, line := range strings.Split(text, "\n") {
		out = append(out, wrap([]span{{line, style}}, width)...)
	}
	return out
}

// wrapper collects words into lines. What is not separated by a space (a
// styled word and the comma behind it) stays together.
type wrapper struct {
	width int
	lines []string
	// line is what is on the current line, used its columns.
	line strings.Builder
	used int
	// glued are the pieces since the last space.
	glued      []span
	gluedWidth int
	gap        bool
}

func (w *wrapper) word(text string, style func(string) string) {
	w.glued = append(w.glued, span{text, style})
	w.gluedWidth += cells.StringWidth(text)
}

// space ends a word; it is only written if another follows on the same line.
func (w *wrapper) space() {
	w.place()
	w.gap = true
}

// place puts the glued pieces on this line or the next.
func (w *wrapper) place() {
	if len(w.glued) == 0 {
		return
	}
	need := w.gluedWidth
	if w.gap && w.used > 0 {
		need++
	}
	if w.used > 0 && w.used+need > w.width {
		w.breakLine()
	} else if w.gap && w.used > 0 {
		w.line.WriteByte(' ')
		w.used++
	}
	for _, p := range w.glued {
		w.write(p)
	}
	w.glued, w.gluedWidth, w.gap = w.glued[:0], 0, false
}

// write puts a piece down, breaking it where the line ends, if it may be broken.
func (w *wrapper) write(p span) {
	var piece strings.Builder
	flush := func() {
		s := piece.String()
		if p.style != nil {
			s = p.style(s)
		}
		w.line.WriteString(s)
		piece.Reset()
	}
	whole := !strings.ContainsFunc(p.text, func(r rune) bool { return cells.RuneWidth(r) > 1 })
	for _, r := range strings.ReplaceAll(p.text, noBreak, " ") {
		n := cells.RuneWidth(r)
		if w.used+n > w.width && !whole {
			flush()
			w.breakLine()
		}
		piece.WriteRune(r)
		w.used += n
	}
	flush()
}

func (w *wrapper) breakLine() {
	w.lines = append(w.lines, w.line.String())
	w.line.Reset()
	w.used = 0
}

func (w *wrapper) newline() {
	w.place()
	w.breakLine()
}

// pad fills a text up to width columns.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(width-cells.StringWidth(s), 0))
}

// indent puts first before the first line and rest before the others.
func indent(lines []string, first, rest string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		if i == 0 {
			out[i] = first + l
		} else {
			out[i] = rest + l
		}
	}
	return out
}
