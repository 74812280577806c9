package screen

import (
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"

	"noriter.dev/noriter/internal/printable"
	"noriter.dev/noriter/labs"
)

// UI is where and how to show things.
type UI struct {
	In       io.Reader
	Out, Err io.Writer
	// Redraw says that In and Out are a terminal that may be redrawn.
	Redraw bool
	// Color says that colour may be used.
	Color bool
	// Command is how to call nori in texts.
	Command string
}

// New looks at the streams of an environment. plain forbids redrawing,
// noColor colour.
func New(env *labs.Env, plain, noColor bool) *UI {
	u := &UI{In: env.In, Out: env.Out, Err: env.Err, Command: env.Nori()}
	terminal := isTerminal(env.Out) && os.Getenv("TERM") != "dumb"
	u.Redraw = terminal && isTerminal(env.In) && !plain
	u.Color = terminal && !noColor && os.Getenv("NO_COLOR") == ""
	return u
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Widths of text: the narrowest that is cared for, the default where there
// is no terminal, and the widest that reads well.
const (
	narrowest = 40
	ordinary  = 80
	widest    = 100
)

// size gives the columns and rows to draw in.
func (u *UI) size() (width, height int) {
	width, height = ordinary, 24
	if f, ok := u.Out.(*os.File); ok {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			width, height = w, h
		}
	} else if w, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil {
		width = w
	}
	return min(max(width, narrowest), widest), max(height, 10)
}

// columns are those of the terminal, however wide.
func (u *UI) columns() int {
	if f, ok := u.Out.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	width, _ := u.size()
	return width
}

// The styles. Within a text, a style is a character that stands for nothing else: Unicode
// keeps U+FDD0 and those behind it for a program's own use. Only shown makes escape
// sequences of them.
const styleEnd = '\ufdd0'

var styles = map[rune]string{
	'\ufdd1': "1", '\ufdd2': "2", '\ufdd3': "31", '\ufdd4': "32", '\ufdd5': "33", '\ufdd6': "36",
}

// paint puts a style around a text if colour is on.
func (u *UI) paint(s string, style rune) string {
	if !u.Color || s == "" {
		return s
	}
	return string(style) + s + string(styleEnd)
}

func (u *UI) bold(s string) string   { return u.paint(s, '\ufdd1') }
func (u *UI) faint(s string) string  { return u.paint(s, '\ufdd2') }
func (u *UI) red(s string) string    { return u.paint(s, '\ufdd3') }
func (u *UI) green(s string) string  { return u.paint(s, '\ufdd4') }
func (u *UI) yellow(s string) string { return u.paint(s, '\ufdd5') }
func (u *UI) cyan(s string) string   { return u.paint(s, '\ufdd6') }

// shown is the edge: what all lines pass on their way to the terminal. Much of what is in
// them comes from elsewhere (texts of labs, logs, names of objects, answers), and no
// escape sequence gets through but that of a style.
func (u *UI) shown(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = u.show(printable.Text(l))
	}
	return out
}

func (u *UI) show(line string) string {
	var b strings.Builder
	var open []string
	for _, r := range line {
		style := styles[r]
		switch {
		case style == "" && r != styleEnd:
			b.WriteRune(r)
		case !u.Color: // somebody else's
		case r == styleEnd && len(open) > 0:
			open = open[:len(open)-1]
			b.WriteString("\x1b[0m")
			for _, s := range open {
				b.WriteString("\x1b[" + s + "m")
			}
		case style != "":
			open = append(open, style)
			b.WriteString("\x1b[" + style + "m")
		}
	}
	if len(open) > 0 {
		b.WriteString("\x1b[0m")
	}
	return b.String()
}
