package histories

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// bed is the testbed that a history is about.
type bed struct {
	driver   string
	isolated bool
	nodes    int
	// beside says that another testbed runs meanwhile, which must not notice.
	beside bool
	// disk gives the testbed a small disk of its own, which can be filled.
	disk bool
	// cache gives it a cache of its own, which can be damaged.
	cache bool
}

// act is one action: the name of a row in actions, and its arguments.
type act struct {
	name string
	args []string
}

func (a act) String() string { return strings.Join(append([]string{a.name}, a.args...), " ") }

// history is what happens to one testbed.
type history struct {
	bed  bed
	acts []act
}

// String is a history as a line, which parse reads.
func (h history) String() string {
	words := []string{h.bed.driver}
	for _, f := range h.bed.flags() {
		if *f.on {
			words = append(words, f.name)
		}
	}
	words = append(words, fmt.Sprintf("nodes=%d", h.bed.nodes))
	var acts []string
	for _, a := range h.acts {
		acts = append(acts, a.String())
	}
	return strings.Join(words, " ") + ": " + strings.Join(acts, "; ")
}

type flag struct {
	name string
	on   *bool
}

func (b *bed) flags() []flag {
	return []flag{{"isolated", &b.isolated}, {"beside", &b.beside}, {"disk", &b.disk}, {"cache", &b.cache}}
}

// parse reads a history from its line.
func parse(line string) (history, error) {
	head, tail, ok := strings.Cut(line, ":")
	words := strings.Fields(head)
	if !ok || len(words) == 0 {
		return history{}, fmt.Errorf("%q is no history: DRIVER [isolated] [beside] [disk] [cache] [nodes=N]: ACTION; …", line)
	}
	h := history{bed: bed{driver: words[0], nodes: 1}}
	for _, w := range words[1:] {
		if n, found := strings.CutPrefix(w, "nodes="); found {
			nodes, err := strconv.Atoi(n)
			if err != nil {
				return h, fmt.Errorf("nodes: %w", err)
			}
			h.bed.nodes = nodes
			continue
		}
		flags := h.bed.flags()
		i := slices.IndexFunc(flags, func(f flag) bool { return f.name == w })
		if i < 0 {
			return h, fmt.Errorf("no testbed is %q", w)
		}
		*flags[i].on = true
	}
	for text := range strings.SplitSeq(tail, ";") {
		a, err := parseAct(text)
		if err != nil {
			return h, err
		}
		h.acts = append(h.acts, a)
	}
	return h, nil
}

// parseAct finds the row of an action: its name may have several words.
func parseAct(text string) (act, error) {
	words := strings.Fields(text)
	for n := len(words); n > 0; n-- {
		if name := strings.Join(words[:n], " "); rowOf(name) != nil {
			return act{name: name, args: words[n:]}, nil
		}
	}
	return act{}, fmt.Errorf("there is no action %q", text)
}
