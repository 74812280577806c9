package histories

import "math/rand/v2"

// longest is the most actions that a history has.
const longest = 8

// generate makes the history of a seed.
func generate(seed uint64, driver string) history {
	r := rand.New(rand.NewPCG(seed, 1))
	h := history{bed: bed{driver: driver, isolated: r.IntN(3) > 0, nodes: 1 + r.IntN(2)}}
	h.bed.beside = r.IntN(5) == 0
	h.bed.disk = r.IntN(6) == 0
	h.bed.cache = r.IntN(8) == 0
	if driver == "libvirt" { // they are prepared so: see prepare
		h.bed = bed{driver: driver, isolated: true, nodes: 1}
	}
	made := driver == "libvirt"
	for range 2 + r.IntN(longest-1) {
		a := choose(r, h.bed, made)
		made = a.after(made)
		h.acts = append(h.acts, act{name: a.name, args: a.arguments(r, h.bed)})
	}
	return h
}

// choose draws an action by weight.
func choose(r *rand.Rand, b bed, made bool) *action {
	if !made && r.IntN(4) > 0 {
		return rowOf("up")
	}
	var fit []*action
	sum := 0
	for i := range actions {
		a := &actions[i]
		if a.weight == 0 || !made && a.on || a.driver != "" && a.driver != b.driver || a.disk && !b.disk || a.cache && !b.cache {
			continue
		}
		fit = append(fit, a)
		sum += a.weight
	}
	n := r.IntN(sum)
	for _, a := range fit {
		if n -= a.weight; n < 0 {
			return a
		}
	}
	return fit[len(fit)-1]
}

// after says whether there is a testbed after the action.
func (a *action) after(made bool) bool {
	switch a.name {
	case "up", "cut", "both":
		return true
	case "down":
		return false
	}
	return made
}

func (a *action) arguments(r *rand.Rand, b bed) []string {
	if a.args == nil {
		return nil
	}
	return a.args(r, b)
}

// one picks one of some.
func one[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }
