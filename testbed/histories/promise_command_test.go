package histories

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// broken is a promise that was not kept.
type broken struct{ promise, how string }

func (b *broken) Error() string { return b.promise + ": " + b.how }

func breaks(promise, how string, args ...any) error {
	return &broken{promise, fmt.Sprintf(how, args...)}
}

// What is promised of every command.
const (
	inTime     = "a command ends in time"
	forPeople  = "a message is for people"
	exitCodes  = "an exit code says what happened"
	honest     = "nori status says what is there"
	upServes   = "nori up ends with a cluster that is ready"
	adviceHeld = "what a message says to type, works"
	goneWhole  = "nori down leaves nothing"
	hostWhole  = "nothing else on the host is touched"
)

// goWords are what Go prints for itself.
var goWords = regexp.MustCompile(`panic:|goroutine \d+ \[|runtime error|%!\w?\(|&\{|map\[|\(nil\)|<nil>|\b0xc0[0-9a-f]{6}|\{\d+ \d+\}`)

// bare gives the line of a text that no person should see.
func bare(text string) string {
	for line := range strings.Lines(text) {
		if goWords.MatchString(line) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// ended holds a command to what is promised of all. The codes are those that it may
// end with, beside 1, 2 and 3; of a program that it runs (ssh, kubectl) any may be.
func ended(r result) error {
	words := strings.Join(r.args, " ")
	if r.hung {
		return breaks(inTime, "nori %s was at work after %.0f s; its last words: %s", words, r.took.Seconds(), lastLine(beforeDump(r.out)))
	}
	if l := bare(r.out); l != "" {
		return breaks(forPeople, "nori %s: %s", words, l)
	}
	theirs := slices.Contains([]string{"ssh", "kubectl", "shell"}, r.args[0])
	if !theirs && !slices.Contains([]int{0, 1, 2, 3}, r.code) {
		return breaks(exitCodes, "nori %s ended with %d", words, r.code)
	}
	if r.code != 0 && strings.TrimSpace(r.out) == "" && !theirs {
		return breaks(forPeople, "nori %s ended with %d and without a word", words, r.code)
	}
	return nil
}

func beforeDump(s string) string {
	before, _, _ := strings.Cut(s, "SIGQUIT: quit")
	return before
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// said is the message of a command that failed.
func said(out string) string {
	if _, message, ok := strings.Cut(out, "nori: "); ok {
		return strings.TrimSpace(message)
	}
	return lastLine(out)
}

// limits are how long a command may take, on container machines.
var limits = map[string]time.Duration{
	"up": 5 * time.Minute, "reset": 3 * time.Minute, "snapshot": 2 * time.Minute, "node": 4 * time.Minute,
	"down": time.Minute, "status": 20 * time.Second, "fault": 4 * time.Minute,
}

func (w *world) limit(command string) time.Duration {
	l, ok := limits[command]
	if !ok {
		l = time.Minute
	}
	if w.bed.driver == "libvirt" && command != "status" && command != "down" {
		return 5 * l
	}
	return l
}

// obey runs a command and holds it to what is promised of all.
func (w *world) obey(args ...string) (result, error) {
	r := w.nori(w.limit(args[0]), args...)
	return r, ended(r)
}
