// Package turn divides among several runs of the tests what is too much for each
// of them: proofs of labs, conformance cases, slow ways on virtual machines. What
// is essential is in every run; the rest takes turns, chosen by the commit, so
// that a run can be repeated and all of it comes round.
//
// A part that is left to another turn is no skip: it is written down (see Note),
// and the summary of `make test` names it.
//
// It is for tests alone.
package turn

import (
	"fmt"
	"hash/fnv"
	"os"
	"strconv"
	"strings"
)

// The environment that `make test` sets.
const (
	// numberEnv is the run's number, any text (the commit); "all" or nothing
	// means that nothing is left out.
	numberEnv = "NORI_TURN"
	// notesEnv is the file that names what was left to another turn, a line each.
	notesEnv = "NORI_TURN_NOTES"
	// slowEnv is by how much this machine is slower than the one for which the
	// shares were chosen, as a number such as 1.8.
	slowEnv = "NORI_SLOW"
)

// Mine gives those of the names whose turn it is: share of them, fewer on a
// slower machine but always one, and all where the environment names no turn.
func Mine(part string, names []string, share int) []string {
	run := os.Getenv(numberEnv)
	if run == "" || run == "all" || len(names) == 0 {
		return names
	}
	mine, left := choose(run, part, names, fitting(share, os.Getenv(slowEnv)))
	Note(part, left)
	return mine
}

// Draw is a number that the run and the part decide, to draw a sample from.
func Draw(part string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s", os.Getenv(numberEnv), part)
	return h.Sum64()
}

// fitting is the share that a machine takes in the same time.
func fitting(share int, slow string) int {
	if f, err := strconv.ParseFloat(slow, 64); err == nil && f > 1 {
		share = int(float64(share) / f)
	}
	return max(share, 1)
}

// choose takes share of the names in a row, from a place that the run and the
// part decide. Parts of one run begin at places of their own.
func choose(run, part string, names []string, share int) (mine, left []string) {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s", run, part)
	begin := int(h.Sum64() % uint64(len(names)))
	chosen := map[int]bool{}
	for i := range min(share, len(names)) {
		chosen[(begin+i)%len(names)] = true
	}
	for i, n := range names { // in their own order
		if chosen[i] {
			mine = append(mine, n)
		} else {
			left = append(left, n)
		}
	}
	return mine, left
}

// Note writes down what is left to another turn.
func Note(part string, left []string) {
	path := os.Getenv(notesEnv)
	if path == "" || len(left) == 0 {
		return
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = fmt.Fprintf(f, "%s: %s\n", part, strings.Join(left, ", "))
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}
	if err != nil {
		panic("turn: what is left to another turn could not be written down: " + err.Error())
	}
}
