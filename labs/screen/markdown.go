package screen

import (
	"regexp"
	"strings"
)

// markdown lays out the little Markdown that lab texts use: paragraphs,
// lists, code blocks, **bold** and `code`.
func (u *UI) markdown(text string, width int) []string {
	m := &layout{u: u, width: width}
	for _, line := range strings.Split(text, "\n") {
		m.take(line)
	}
	m.flush()
	for len(m.out) > 0 && m.out[len(m.out)-1] == "" {
		m.out = m.out[:len(m.out)-1]
	}
	return m.out
}

// numbered begins an entry of a numbered list, but in the middle of a paragraph
// any sentence may begin, or end, with a number.
var numbered = regexp.MustCompile(`^\s*\d`)

type layout struct {
	u         *UI
	width     int
	out       []string
	paragraph []string
	first     string // what stands before the paragraph: a bullet
	code      bool
}

var bullet = regexp.MustCompile(`^\s*(?:[-*]|\d+\.)\s+`)

func (m *layout) take(line string) {
	switch {
	case strings.HasPrefix(line, "```"):
		m.flush()
		m.blank()
		m.code = !m.code
	case m.code:
		// Code is never wrapped: what is copied must be what was meant.
		m.out = append(m.out, "    "+m.u.cyan(line))
	case strings.TrimSpace(line) == "":
		m.flush()
		m.blank()
	case bullet.MatchString(line) && (len(m.paragraph) == 0 || m.first != "" || !numbered.MatchString(line)):
		m.flush()
		m.first = "- "
		m.paragraph = append(m.paragraph, bullet.ReplaceAllString(line, ""))
	default:
		m.paragraph = append(m.paragraph, strings.TrimSpace(line))
	}
}

// blank adds an empty line, but never two.
func (m *layout) blank() {
	if n := len(m.out); n > 0 && m.out[n-1] != "" {
		m.out = append(m.out, "")
	}
}

func (m *layout) flush() {
	if len(m.paragraph) == 0 {
		return
	}
	spans := m.u.inline(strings.Join(m.paragraph, " "), m.width-len(m.first))
	rest := strings.Repeat(" ", len(m.first))
	m.out = append(m.out, indent(wrap(spans, m.width-len(m.first)), m.first, rest)...)
	m.paragraph, m.first = nil, ""
}

// command begins with the name of a program and has words behind it.
var command = regexp.MustCompile(`^(kubectl|nori|k|ctr|curl|sed|mkdir|echo|openssl|docker) `)

var marks = regexp.MustCompile("\\*\\*(.+?)\\*\\*|`([^`]+)`")

// inline finds **bold** and `code`. Code keeps its marks, with colour, too: it may be words
// of a sentence, and not everybody sees the colour. A command stays on one line, also where
// that is too long: the terminal breaks it, and what is copied is what was meant.
func (u *UI) inline(text string, width int) []span {
	var out []span
	at := 0
	for _, m := range marks.FindAllStringSubmatchIndex(text, -1) {
		out = append(out, span{text: text[at:m[0]]})
		switch {
		case m[2] >= 0:
			out = append(out, span{text[m[2]:m[3]], u.bold})
		case cells.StringWidth(text[m[0]:m[1]]) <= width || command.MatchString(text[m[4]:m[5]]):
			out = append(out, span{unbroken(text[m[0]:m[1]]), u.cyan})
		default:
			out = append(out, span{text[m[0]:m[1]], u.cyan})
		}
		at = m[1]
	}
	return append(out, span{text: text[at:]})
}
