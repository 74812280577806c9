package histories

import (
	_ "embed"
	"fmt"
	"hash/fnv"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// lived are histories that were lived to their end and kept every promise, one a line.
// `make test` lives some of them again, so that it turns red for what was changed, and
// not for a rare cause that has always been there: to find those, with fresh seeds, is
// what `make histories` is for, which adds a row for each history that it lived whole.
// They are kept as lines and not as seeds: a seed means another history as soon as an
// action is added.
//
//go:embed lived.txt
var lived string

// plan is which histories are lived, and for how long new ones are begun.
type plan struct {
	budget time.Duration
	// rows are drawn one after the other from the row first on. Without rows, first is a
	// seed, and the next numbers follow.
	rows  []history
	first uint64
	// once says that each row is lived once.
	once bool
}

// drawn is a history, and where it comes from.
type drawn struct {
	from string
	history
}

// planned reads the plan from the environment: one history, fresh seeds for a time, or
// for a minute of those that were lived before, from one on that the commit chooses.
func planned() (p plan, err error) {
	p.budget = time.Minute
	if s := os.Getenv(timeEnv); s != "" {
		if p.budget, err = time.ParseDuration(s); err != nil {
			return p, err
		}
	}
	if line := os.Getenv(historyEnv); line != "" {
		h, err := parse(line)
		p.rows, p.once = []history{h}, true
		return p, err
	}
	if s := os.Getenv(seedEnv); s != "" {
		p.first, err = strconv.ParseUint(s, 10, 64)
		return p, err
	}
	p.first = uint64(time.Now().Unix()) * 1000
	if os.Getenv(timeEnv) != "" {
		return p, nil
	}
	if turn := os.Getenv("NORI_TURN"); turn != "" && turn != "all" {
		p.first = number(turn)
	}
	p.rows, err = rowsOf(lived, driver())
	if err == nil && len(p.rows) == 0 {
		err = fmt.Errorf("no history of %s has been lived yet: make histories DRIVER=%[1]s", driver())
	}
	return p, err
}

// number makes a number of a commit's name.
func number(turn string) uint64 {
	h := fnv.New32a()
	fmt.Fprint(h, turn) // a hash takes everything
	return uint64(h.Sum32())
}

// nth is the history that is lived after i others; ok is false where there is no more.
func (p plan) nth(i uint64) (d drawn, ok bool) {
	switch {
	case p.once && i >= uint64(len(p.rows)):
		return d, false
	case p.once:
		return drawn{"the history", p.rows[i]}, true
	case p.rows == nil:
		return drawn{fmt.Sprintf("seed %d", p.first+i), generate(p.first+i, driver())}, true
	}
	n := (p.first + i) % uint64(len(p.rows))
	return drawn{fmt.Sprintf("row %d", n+1), p.rows[n]}, true
}

// rowsOf are the histories of a driver in a text of one a line.
func rowsOf(text, driver string) (rows []history, err error) {
	for line := range strings.Lines(text) {
		h, err := parse(strings.TrimSpace(line))
		if err != nil {
			return nil, err
		}
		if h.bed.driver == driver {
			rows = append(rows, h)
		}
	}
	return rows, nil
}

// longRow is how long a history may have taken that `make test` lives again.
const longRow = 3 * time.Minute

// record adds a history that was lived whole to the rows, where a file for them is named.
// One that took too long for the minute of `make test` is left out.
func record(h history, took time.Duration) error {
	path := os.Getenv(livedEnv)
	if path == "" || took > longRow {
		return nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if slices.Contains(strings.Split(string(b), "\n"), h.String()) {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintln(f, h)
	return err
}
