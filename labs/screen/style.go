package screen

import (
	"io"
	"os"
	"strconv"

	"github.com/fatih/color"
	"golang.org/x/term"

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

// paint applies attributes to a text if colour is on.
func (u *UI) paint(s string, attributes ...color.Attribute) string {
	if !u.Color || s == "" {
		return s
	}
	c := color.New(attributes...)
	c.EnableColor() // fatih/color looks at os.Stdout, which may not be Out
	return c.Sprint(s)
}

func (u *UI) bold(s string) string   { return u.paint(s, color.Bold) }
func (u *UI) green(s string) string  { return u.paint(s, color.FgGreen) }
func (u *UI) red(s string) string    { return u.paint(s, color.FgRed) }
func (u *UI) yellow(s string) string { return u.paint(s, color.FgYellow) }
func (u *UI) cyan(s string) string   { return u.paint(s, color.FgCyan) }
func (u *UI) faint(s string) string  { return u.paint(s, color.Faint) }
