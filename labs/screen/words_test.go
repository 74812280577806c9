package screen

import (
	"strings"
	"testing"

	"noriter.dev/noriter/labs/check"
)

// TestNoExpressionIsShown: a learner reads why, or what was found in words, and never what
// an expression came to.
func TestNoExpressionIsShown(t *testing.T) {
	u := &UI{}
	for _, c := range []struct {
		why, found, want string
		detail           bool
	}{
		{"it is on no node", "", "why: it is on no node", true},
		{"nobody answers", "connection refused", "found: connection refused", true},
		{"", "there is no pod named hello", "found: there is no pod named hello", false},
		{"", "", "found: not so yet", false},
	} {
		r := check.Result{State: check.Fails, Expected: "it is on node2", Actual: `object.metadata.?annotations[?"node"] = not set`, Why: c.why, Found: c.found}
		text := strings.Join(u.result(r, 80, c.detail), "\n")
		if strings.Contains(text, "object.") || !strings.Contains(text, c.want) {
			t.Errorf("%+v:\n%s", c, text)
		}
	}
}
