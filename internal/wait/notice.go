package wait

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"noriter.dev/noriter/internal/lang"
)

// sayAfter is how long a wait may take before it says what it waits for.
const sayAfter = 15 * time.Second

// Showing gives a context whose waits say, once they take longer than 15 s, what
// they wait for and what they saw last. show gets the text of all of them, each time
// that it changes; it is empty when none is left. The calls come one at a time.
func Showing(ctx context.Context, show func(waiting string)) context.Context {
	return context.WithValue(ctx, placeKey{}, place{board: &board{show: show}})
}

type placeKey struct{}

// place is where in a context's waits somebody is: in none, or within the look of
// another wait.
type place struct {
	board  *board
	within *waiting
}

// board has the waits that are under way.
type board struct {
	mu    sync.Mutex
	show  func(string)
	shown string
	waits []*waiting
}

// waiting is one wait that is under way; nil where nobody is told.
type waiting struct {
	place place
	what  lang.Text
	timer *time.Timer

	// seen and long are guarded by the board's mutex.
	seen string
	long bool
}

// begin notes a wait. The context is the one for its looks: a wait within one of
// them is told of in the place of this one.
func begin(ctx context.Context, what lang.Text) (context.Context, *waiting) {
	p, ok := ctx.Value(placeKey{}).(place)
	if !ok {
		return ctx, nil
	}
	w := &waiting{place: p, what: what}
	b := p.board
	b.mu.Lock()
	b.waits = append(b.waits, w)
	b.mu.Unlock()
	w.timer = time.AfterFunc(sayAfter, func() {
		b.change(func() { w.long = true })
	})
	return context.WithValue(ctx, placeKey{}, place{board: b, within: w}), w
}

// sees notes what was seen last.
func (w *waiting) sees(seen string) {
	if w != nil {
		w.place.board.change(func() { w.seen = seen })
	}
}

// end takes the wait, and what was told of it, away.
func (w *waiting) end() {
	if w == nil {
		return
	}
	w.timer.Stop()
	b := w.place.board
	b.change(func() { b.waits = slices.DeleteFunc(b.waits, func(o *waiting) bool { return o == w }) })
}

// change changes something of a wait, and shows the text if it is another now.
func (b *board) change(do func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	do()
	if text := b.text(); text != b.shown {
		b.shown = text
		b.show(text)
	}
}

// text is what all waits wait for that take long. Of those within one another it is the
// innermost that has seen something, since that knows most; how long it takes is known by
// the outermost.
func (b *board) text() string {
	var told []*waiting
	var lines []string
	for _, w := range b.waits {
		if slices.ContainsFunc(b.waits, func(o *waiting) bool { return o.place.within == w }) {
			continue // another is within it
		}
		if w = w.telling(); w != nil && !slices.Contains(told, w) {
			told, lines = append(told, w), append(lines, w.text())
		}
	}
	return strings.Join(lines, "; ")
}

// telling is the wait, or one that it is within, that is told of; nil if none takes long.
func (w *waiting) telling() *waiting {
	var tells, outermost *waiting
	for ; w != nil; w = w.place.within {
		if tells == nil && w.seen != "" {
			tells = w
		}
		// What it is within began before it, so that takes long, too.
		if w.long || outermost != nil {
			outermost = w
		}
	}
	if outermost == nil || tells == nil {
		return outermost
	}
	return tells
}

func (w *waiting) text() string {
	s := lang.Textf("waiting for %s", "%s을(를) 기다리는 중", w.what).String()
	// One line: errors have the output of commands below them.
	if seen, _, _ := strings.Cut(strings.TrimSpace(w.seen), "\n"); seen != "" {
		s += ": " + seen
	}
	return lang.Particles(s)
}
