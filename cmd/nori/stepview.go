package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/fatih/color"
	"github.com/mattn/go-runewidth"
	"golang.org/x/term"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/printable"
	"noriter.dev/noriter/provision/step"
)

// stepView shows steps: on a terminal a list whose running steps tick, else a
// line as each step ends. What a step has been waiting for comes below it, as long
// as it waits; without a terminal, as a line now and then.
type stepView struct {
	out   io.Writer
	live  bool
	begin time.Time

	mu      sync.Mutex
	rows    []*row
	byID    map[string]*row
	up      int
	stopped chan struct{}
	done    sync.WaitGroup
}

type row struct {
	title   string
	note    string
	waiting string
	said    repeater
	kind    step.Kind
	begin   time.Time
	elapsed time.Duration
}

func (g *globals) newStepView() *stepView {
	p := newStepView(g.stderr, g.terminal() && !g.plain)
	p.done.Add(1)
	go p.tick()
	return p
}

func newStepView(out io.Writer, live bool) *stepView {
	return &stepView{out: out, live: live, begin: time.Now(), byID: map[string]*row{}, stopped: make(chan struct{})}
}

// showSteps shows the steps of what it is given, until it ends.
func (g *globals) showSteps(do func(step.Reporter) error) error {
	p := g.newStepView()
	defer p.stop()
	return do(func(e step.Event) {
		e.Note = g.typable(e.Note)
		p.report(e)
	})
}

// report is a step.Reporter.
func (p *stepView) report(e step.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.Note = printable.Text(e.Note) // some of it is what a machine said
	if e.Kind == step.Said {
		p.line(e.Note)
		return
	}
	r := p.byID[e.Step.ID]
	if r == nil {
		r = &row{title: e.Step.Title.String(), begin: time.Now()}
		p.byID[e.Step.ID] = r
		p.rows = append(p.rows, r)
	}
	r.elapsed = e.Elapsed
	switch e.Kind {
	case step.Waiting:
		r.waiting = e.Note
	case step.Done, step.Failed, step.Interrupted:
		r.kind, r.waiting = e.Kind, ""
	default:
		r.kind = e.Kind
		if e.Note != "" {
			r.note = e.Note
		}
	}
	switch {
	case p.live:
		p.draw()
	case e.Kind == step.Waiting:
		p.sayWaiting(r)
	case e.Kind == step.Done:
		p.say(line(r, 0))
	case e.Kind == step.Failed:
		p.say(r.title + ": " + lang.T("failed", "실패"))
	case e.Kind == step.Interrupted:
		p.say(r.title + ": " + interrupted())
	}
}

func interrupted() string { return lang.T("interrupted", "중단") }

// say writes a line with the time in front.
func (p *stepView) say(text string) {
	fmt.Fprintf(p.out, "[%5.1fs] %s\n", time.Since(p.begin).Seconds(), text)
}

// sayWaiting says what a step waits for, if it is time.
func (p *stepView) sayWaiting(r *row) {
	if r.said.due(r.waiting, time.Now()) {
		p.say(r.title + ": " + r.waiting)
	}
}

// line prints a line that stays, above the list where that is redrawn.
func (p *stepView) line(text string) {
	if p.up > 0 {
		fmt.Fprintf(p.out, "\x1b[%dA\r\x1b[J", p.up)
		p.up = 0
	}
	fmt.Fprintln(p.out, lang.Particles(text))
	if p.live {
		p.draw()
	}
}

// stop ends the drawing and leaves the last picture.
func (p *stepView) stop() {
	close(p.stopped)
	p.done.Wait()
	if p.live {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.draw()
	}
}

func (p *stepView) tick() {
	defer p.done.Done()
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-p.stopped:
			return
		case <-t.C:
			p.beat()
		}
	}
}

func (p *stepView) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live {
		p.draw()
		return
	}
	for _, r := range p.rows {
		p.sayWaiting(r)
	}
}

var spinner = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

// draw writes the list over the one before, which may have been longer.
func (p *stepView) draw() {
	width := p.width()
	if p.up > 0 {
		fmt.Fprintf(p.out, "\x1b[%dA", p.up)
	}
	p.up = 0
	for _, r := range p.rows {
		mark, note := color.GreenString("✓"), r.note
		switch r.kind {
		case step.Failed:
			mark = color.RedString("✗")
		case step.Interrupted:
			mark, note = color.YellowString("-"), interrupted()
		case step.Started, step.Noted:
			mark = color.CyanString(string(spinner[int(time.Since(p.begin)/(100*time.Millisecond))%len(spinner)]))
			r.elapsed = time.Since(r.begin)
		}
		p.drawLine(fmt.Sprintf(" %s %s", mark, line(&row{title: r.title, note: note, elapsed: r.elapsed}, width)))
		if r.waiting != "" {
			p.drawLine("     " + color.New(color.Faint).Sprint(runewidth.Truncate(r.waiting, width-3, "…")))
		}
	}
	fmt.Fprint(p.out, "\x1b[J")
}

func (p *stepView) drawLine(text string) {
	fmt.Fprintf(p.out, "\r\x1b[K%s\n", text)
	p.up++
}

// width is how many columns a row may take: one that wraps would be drawn
// over only in part.
func (p *stepView) width() int {
	if f, ok := p.out.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
			return w - 4
		}
	}
	return 76
}

// titleWidth is the column in which times begin, on a terminal.
const titleWidth = 32

// line is a row's text: title, time, and what the step said last, cut to fit
// width where that is not 0.
func line(r *row, width int) string {
	title, note := r.title, r.note
	if width > 0 {
		title = runewidth.FillRight(runewidth.Truncate(title, min(titleWidth, width-9), "…"), min(titleWidth, width-9))
	}
	s := fmt.Sprintf("%s %6.1fs", title, r.elapsed.Seconds())
	if width > 0 {
		note = runewidth.Truncate(note, max(width-runewidth.StringWidth(s)-2, 0), "…")
	}
	if note != "" {
		s += "  " + color.New(color.Faint).Sprint(note)
	}
	return s
}
