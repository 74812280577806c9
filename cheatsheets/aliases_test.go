package cheatsheets

import (
	"slices"
	"testing"
)

// TestAliases: each leads to a page that is there, and none is the name of another.
func TestAliases(t *testing.T) {
	topics, err := Topics(FS)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, a := range aliases {
		if !slices.Contains(topics, a.topic) {
			t.Errorf("there is no page %s", a.topic)
		}
		for _, name := range a.names {
			if slices.Contains(topics, name) || seen[name] != "" {
				t.Errorf("%s means %s, and also %s or a page", name, a.topic, seen[name])
			}
			seen[name] = a.topic
		}
	}
	for _, topic := range topics {
		if got := Topic(topic); got != topic {
			t.Errorf("%s leads to %s", topic, got)
		}
	}
	for word, want := range map[string]string{"svc": "nodeport", "Service": "nodeport", "파드": "pods", "PO": "pods", "nothing": "nothing"} {
		if got := Topic(word); got != want {
			t.Errorf("%s leads to %s, want %s", word, got, want)
		}
	}
}
