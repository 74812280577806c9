package histories

import "slices"

// shrink looks for the shortest history that still breaks, by at most tries runs.
// It takes actions away, first many at a time, and then what is special about the
// testbed. breaks runs a history and says whether it breaks in the same way.
func shrink(h history, tries int, breaks func(history) bool) history {
	try := func(c history) bool {
		if tries--; tries < 0 {
			return false
		}
		return breaks(c)
	}
	for size := max(len(h.acts)/2, 1); ; size /= 2 {
		for from := 0; from < len(h.acts) && len(h.acts) > 1; {
			c := h
			c.acts = slices.Delete(slices.Clone(h.acts), from, min(from+size, len(h.acts)))
			if len(c.acts) > 0 && try(c) {
				h = c
			} else {
				from += size
			}
		}
		if size <= 1 {
			break
		}
	}
	for _, simpler := range []func(*bed){
		func(b *bed) { b.beside = false }, func(b *bed) { b.disk = false }, func(b *bed) { b.cache = false },
		func(b *bed) { b.nodes = 1 },
	} {
		c := h
		if simpler(&c.bed); c.bed != h.bed && try(c) {
			h = c
		}
	}
	return h
}
