package main

import (
	"context"
	"sync"
	"time"

	"noriter.dev/noriter/internal/wait"
)

// repeatAfter is how soon another text may follow where what is waited for is said
// by lines, which stay.
const repeatAfter = 15 * time.Second

// repeater says when a line about a wait is worth another line.
type repeater struct {
	text string
	at   time.Time
}

// due says whether text is news, and not too soon.
func (r *repeater) due(text string, now time.Time) bool {
	if text == "" || text == r.text || r.text != "" && now.Sub(r.at) < repeatAfter {
		return false
	}
	r.text, r.at = text, now
	return true
}

// sayWaits gives a context for what has no list of steps: if it waits for long, say
// is told what for.
func sayWaits(ctx context.Context, say func(string)) context.Context {
	var mu sync.Mutex
	var said repeater
	return wait.Showing(ctx, func(text string) {
		mu.Lock()
		defer mu.Unlock()
		if said.due(text, time.Now()) {
			say(text)
		}
	})
}

// withWaits is sayWaits on the screen of commands.
func (g *globals) withWaits(ctx context.Context) context.Context {
	return sayWaits(ctx, func(text string) { g.tell("%s", "%s", text) })
}
