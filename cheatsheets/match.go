package cheatsheets

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// varying is what differs from one testbed and moment to the next, with what
// is compared in its place.
var varying = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?(Z|[+-]\d\d:?\d\d))?`), "<time>"},
	{regexp.MustCompile(`(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}`), "<time>"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "<uid>"},
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "<hash>"},
	// How often an event was seen, and since when: "5s (x3 over 20s)".
	{regexp.MustCompile(` \(x\d+ over [0-9dhms]+\)`), ""},
	{regexp.MustCompile(`\b\d+(\.\d+)?(ms|µs|us)\b`), "<age>"},
	{regexp.MustCompile(`\b(\d+d)?(\d+h)?(\d+m)?(\d+(\.\d+)?s)\b|\b(\d+d)?(\d+h)?(\d+m)\b|\b(\d+d)?(\d+h)\b|\b\d+d\b`), "<age>"},
	{regexp.MustCompile(`\b10\.244\.\d+\.\d+\b`), "<pod address>"},
	{regexp.MustCompile(`\b10\.96\.\d+\.\d+\b`), "<service address>"},
	{regexp.MustCompile(`\b(10\.\d+|192\.168|172\.(1[6-9]|2\d|3[01]))\.\d+\.\d+\b`), "<address>"},
	{regexp.MustCompile(`\bnode[1-9]\b`), "<node>"},
	// A Deployment's hash and the letters behind a pod's name have no vowels
	// (k8s.io/apimachinery/pkg/util/rand), so no word is taken for them.
	{regexp.MustCompile(`-[bcdf-hj-np-tv-xz2456789]{8,10}\b`), "-<hash>"},
	{regexp.MustCompile(`-[bcdf-hj-np-tv-xz2456789]{5}\b`), "-<random>"},
}

// nodePort finds ports of Services. Those of the lower band are chosen by
// people, the others at random (KEP-3668).
var nodePort = regexp.MustCompile(`\b3[0-2]\d{3}\b`)

const lastChosenPort = 30085

// normalize replaces what varies, and takes columns for what they are: words
// with room between them.
func normalize(line string) string {
	for _, v := range varying {
		line = v.pattern.ReplaceAllLiteralString(line, v.name)
	}
	line = nodePort.ReplaceAllStringFunc(line, func(s string) string {
		if n, err := strconv.Atoi(s); err == nil && n > lastChosenPort {
			return "<node port>"
		}
		return s
	})
	return strings.Join(strings.Fields(line), " ")
}

// lineMatches compares a line of a page with a real one, both normalized.
func lineMatches(shown, real string) bool {
	parts := strings.Split(shown, anyText)
	for i := range parts {
		parts[i] = regexp.QuoteMeta(strings.TrimSpace(parts[i]))
	}
	if len(parts) == 1 {
		return shown == real
	}
	re, err := regexp.Compile(`^` + strings.Join(parts, `.*`) + `$`)
	return err == nil && re.MatchString(real)
}

// Matches holds a command's real output against what the page shows of it. The
// error says in which line they part.
func (c Command) Matches(output string) error {
	shown := normalizeAll(c.Expected())
	if len(shown) == 0 {
		return nil
	}
	raw := strings.Split(strings.TrimRight(strings.ReplaceAll(output, "\r\n", "\n"), "\n "), "\n")
	real := normalizeAll(raw)
	if matchLines(shown, real) || c.sortedByRandom() && matchAnyOrder(shown, real) {
		return nil
	}
	for i, s := range shown {
		if s == anyText {
			break
		}
		if i >= len(real) {
			return fmt.Errorf("line %d of the output, %q, is missing", i+1, c.Output[i])
		}
		if !lineMatches(s, real[i]) {
			return fmt.Errorf("line %d of the output is %q, where the page shows %q", i+1, raw[i], c.Output[i])
		}
	}
	return fmt.Errorf("the output has other lines than the page shows: %d against %d", len(real), len(shown))
}

// sortedByRandom says that lines come in the order of names that have random
// letters.
func (c Command) sortedByRandom() bool {
	return strings.Contains(c.Line, "kubectl get ") || strings.Contains(c.Line, "-l ")
}

func normalizeAll(lines []string) []string {
	out := make([]string, 0, len(lines))
	for _, l := range lines {
		out = append(out, normalize(l))
	}
	return out
}

// matchLines compares in order; a line of "…" stands for any number of lines.
func matchLines(shown, real []string) bool {
	// reached[i] says that what is shown so far can be the first i lines.
	reached := make([]bool, len(real)+1)
	reached[0] = true
	for _, s := range shown {
		next := make([]bool, len(real)+1)
		for i := range next {
			switch {
			case s == anyText:
				next[i] = reached[i] || i > 0 && next[i-1]
			case i > 0 && reached[i-1]:
				next[i] = lineMatches(s, real[i-1])
			}
		}
		reached = next
	}
	return reached[len(real)]
}

// matchAnyOrder finds a real line for each one shown, the exact ones first.
func matchAnyOrder(shown, real []string) bool {
	if len(shown) != len(real) {
		return false
	}
	taken := make([]bool, len(real))
	for _, vague := range []bool{false, true} {
	next:
		for _, s := range shown {
			if strings.Contains(s, anyText) != vague {
				continue
			}
			for i, r := range real {
				if !taken[i] && lineMatches(s, r) {
					taken[i] = true
					continue next
				}
			}
			return false
		}
	}
	return true
}
