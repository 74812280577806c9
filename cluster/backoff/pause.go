package backoff

import "time"

// Pause is how long to wait between the attempts at one piece of work. Unlike a Backoff
// it forgets only when told that an attempt succeeded. It is used by one goroutine.
type Pause struct {
	// First is the pause after the first failure, Most the longest.
	First, Most time.Duration

	now time.Duration
}

// Next is the pause after another failure.
func (p *Pause) Next() time.Duration {
	p.now = longer(p.now, p.First, p.Most)
	return p.now
}

// Reset makes the next failure the first again.
func (p *Pause) Reset() { p.now = 0 }
