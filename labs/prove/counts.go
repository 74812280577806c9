package prove

// Must is what has to come of a way.
type Must string

// What may have to come of a way: it fails, it passes, or it passes because the lab says
// that this is right after all.
const (
	MustFail Must = "fail"
	MustPass Must = "pass"
	Allowed  Must = "allowed"
)

// Count is how many ways of a kind came to what.
type Count struct {
	Kind string
	// Tried are all of them; each is one of the others.
	Tried, Failed, Passed, Allowed, Broken int
}

// CountByKind counts ways by kind, in the order in which the kinds come.
func CountByKind(outcomes []Outcome) []Count {
	var out []Count
	at := map[string]int{}
	for _, o := range outcomes {
		i, ok := at[o.Kind]
		if !ok {
			i = len(out)
			at[o.Kind] = i
			out = append(out, Count{Kind: o.Kind})
		}
		out[i].add(o)
	}
	return out
}

func (c *Count) add(o Outcome) {
	c.Tried++
	switch {
	case !o.OK:
		c.Broken++
	case o.Must == MustFail:
		c.Failed++
	case o.Must == MustPass:
		c.Passed++
	default:
		c.Allowed++
	}
}
