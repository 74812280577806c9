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
	"noriter.dev/noriter/provision/step"
)

// stepView shows steps: on a terminal a list whose running steps tick, else a
// line as each step ends.
type stepView struct {
	out   io.Writer
	live  bool
	begin time.Time

	mu      sync.Mutex
	rows    []*row
	byID    map[string]*row
	drawn   int
	stopped chan struct{}
	done    sync.WaitGroup
}

type row struct {
	title   string
	note    string
	kind    step.Kind
	begin   time.Time
	elapsed time.Duration
}

func (g *globals) newStepView() *stepView {
	p := &stepView{out: g.stderr, live: g.terminal() && !g.plain, begin: time.Now(), byID: map[string]*row{}, stopped: make(chan struct{})}
	if p.live {
		p.done.Add(1)
		go p.tick()
	}
	return p
}

// showSteps shows the steps of what it is given, until it ends.
func (g *globals) showSteps(do func(step.Reporter) error) error {
	p := g.newStepView()
	defer p.stop()
	return do(p.report)
}

// report is a step.Reporter.
func (p *stepView) report(e step.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.byID[e.Step.ID]
	if r == nil {
		r = &row{title: e.Step.Title.String(), begin: time.Now()}
		p.byID[e.Step.ID] = r
		p.rows = append(p.rows, r)
	}
	r.kind = e.Kind
	r.elapsed = e.Elapsed
	if e.Note != "" {
		r.note = e.Note
	}
	switch {
	case p.live:
		p.draw()
	case e.Kind == step.Done:
		fmt.Fprintf(p.out, "[%5.1fs] %s\n", time.Since(p.begin).Seconds(), line(r, 0))
	case e.Kind == step.Failed:
		fmt.Fprintf(p.out, "[%5.1fs] %s: %s\n", time.Since(p.begin).Seconds(), r.title, lang.T("failed", "실패"))
	}
}

// stop ends the drawing and leaves the last picture.
func (p *stepView) stop() {
	if !p.live {
		return
	}
	close(p.stopped)
	p.done.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.draw()
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
			p.mu.Lock()
			p.draw()
			p.mu.Unlock()
		}
	}
}

var spinner = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

// draw writes the list over the one before.
func (p *stepView) draw() {
	width := p.width()
	if p.drawn > 0 {
		fmt.Fprintf(p.out, "\x1b[%dA", p.drawn)
	}
	for _, r := range p.rows {
		mark := color.GreenString("✓")
		switch r.kind {
		case step.Failed:
			mark = color.RedString("✗")
		case step.Started, step.Noted:
			mark = color.CyanString(string(spinner[int(time.Since(p.begin)/(100*time.Millisecond))%len(spinner)]))
			r.elapsed = time.Since(r.begin)
		}
		fmt.Fprintf(p.out, "\r\x1b[K %s %s\n", mark, line(r, width))
	}
	p.drawn = len(p.rows)
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
