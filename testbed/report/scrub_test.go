package report

import (
	"strings"
	"testing"
)

func nobody(string) string { return "" }

// TestRules: each row takes its own, and leaves what is around it.
func TestRules(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"a\n-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIIGk\n-----END EC PRIVATE KEY-----\nb", "a\n" + removed + "\nb"},
		{"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"},
		{"dial http://u:p@h:1/x?y=z", "dial http://" + removed + "@h:1/x?y=z"},
		{"dial https://10.77.0.10:6443/api", "dial https://10.77.0.10:6443/api"},
		{"Authorization: Bearer abcdefgh12345", "Authorization: Bearer " + removed},
		{"x-token: abc", "x-token: " + removed},
		{"API_KEY=abc, next=1", "API_KEY=" + removed + ", next=1"},
		{"scheduled shop/web-1 to node1: 2 of 3 nodes", "scheduled shop/web-1 to node1: 2 of 3 nodes"},
		{"exit status 1 (nori-agent.service)", "exit status 1 (nori-agent.service)"},
		{"image nginx:1.27.0 pulled in 1.2s", "image nginx:1.27.0 pulled in 1.2s"},
	} {
		if got := NewScrubber(nobody).Clean(c.text); got != c.want {
			t.Errorf("%q\n became %q\n, want  %q", c.text, got, c.want)
		}
	}
}

// TestNames: names are replaced as words alone, and one that a machine has is kept.
func TestNames(t *testing.T) {
	s := NewScrubber(nobody)
	s.names = map[string]string{}
	s.rename("ann", "USER")
	s.rename("/home/ann", "~")
	s.rename("laptop", "HOST")
	s.rename("root", "USER")
	s.rename("vm", "HOST")
	s.rename("node1", "HOST")
	s.Keep("node1")
	const text = "ann@laptop opened /home/ann/x in the channel of annotations on node1, root of vm"
	if got, want := s.Clean(text), "USER@HOST opened ~/x in the channel of annotations on node1, root of vm"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestLargeTexts: what a scrubber is given may be megabytes.
func TestLargeTexts(t *testing.T) {
	text := strings.Repeat("2026-01-01T00:00:00 node1 nori-agent[7]: the pod shop/web-1 is ready, image nginx:1.27.0\n", 20000)
	if got := NewScrubber(nobody).Clean(text); got != text {
		t.Error("harmless lines were changed")
	}
}
