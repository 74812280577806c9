package printable

import (
	"encoding/json"
	"testing"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"plain, 한글, 👩‍🚀, tab\t, é, —\n": "plain, 한글, 👩‍🚀, tab\t, é, —\n",
		"\x1b]52;c;ZXZpbA==\x07":        `\x1b]52;c;ZXZpbA==\x07`,
		"\x1b]0;title\x1b\\":            `\x1b]0;title\x1b\`,
		"a\r\nb\rc\x00\x7f":             "a\nb\\x0dc\\x00\\x7f",
		"\u009b31m and \x9b31m":         `\u009b31m and \x9b31m`,
		"user\u202egnp.exe\u2066":       `user\u202egnp.exe\u2066`,
		"\u2028\U000e0041":              `\u2028\ue0041`,
		"\xff\xfe":                      `\xff\xfe`,
		"\ufffd":                        "\ufffd",
	} {
		if got := Text(in); got != want || !Safe(got) {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
		if Safe(in) != (in == want) {
			t.Errorf("%q is said to be safe: %v", in, Safe(in))
		}
	}
}

// TestJSON: what a program reads of it is what it was.
func TestJSON(t *testing.T) {
	for _, s := range []string{"한글 \"x\"", "\u009b\x7f\u202e\U000e0041\x1b\n"} {
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		shown, back := JSON(string(data)), ""
		if err := json.Unmarshal([]byte(shown), &back); err != nil || back != s || !Safe(shown) {
			t.Errorf("%q became %q, which reads %q, %v", s, shown, back, err)
		}
	}
}
