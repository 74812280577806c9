package check

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/field"
)

// Event is the events of the lab's namespace that fit; the expression sees
// them as `items`.
type Event struct {
	// Kind is that of the object that the events are about; without it, any.
	Kind string
	// Name is the object's; without it, any.
	Name *field.Name
	// Reason is the events' own, such as BackOff; without it, any.
	Reason string
	// Since is how far to look back; 0 means an hour.
	Since time.Duration
	At    problem.Pos `yaml:"-"`
}

// defaultSince is how far back events are looked for.
const defaultSince = time.Hour

// Variables is the events.
func (*Event) Variables() []string { return []string{"items"} }

// Validate has nothing to find: every field may be left out.
func (*Event) Validate(*field.Validator) {}

// Watches is events; they leave the window of time without a change, too.
func (*Event) Watches() (objects []Watched, live bool) {
	return []Watched{{Kind: "Event", APIVersion: "v1"}}, false
}

// Look reads the events.
func (e *Event) Look(ctx context.Context, c *Cluster, s *Scope, base expr.Scope) (expr.Scope, error) {
	name, err := e.Name.Fill(ctx, base, "")
	if err != nil {
		return nil, err
	}
	since := e.Since
	if since == 0 {
		since = defaultSince
	}
	all, err := c.List(ctx, "Event", "v1", s.Namespace, "")
	if err != nil {
		return nil, err
	}
	items := []any{}
	for i := range all {
		if e.fits(&all[i], name, time.Now().Add(-since)) {
			items = append(items, all[i].Object)
		}
	}
	return base.With("items", items), nil
}

// fits tells whether an event is of the object and reason that are looked
// for, and happened (also: last happened) after oldest.
func (e *Event) fits(event *unstructured.Unstructured, name string, oldest time.Time) bool {
	get := func(path ...string) string {
		v, _, _ := unstructured.NestedString(event.Object, path...) // a field of another type is not the one wanted
		return v
	}
	if e.Kind != "" && get("involvedObject", "kind") != e.Kind ||
		name != "" && get("involvedObject", "name") != name ||
		e.Reason != "" && get("reason") != e.Reason {
		return false
	}
	for _, stamp := range []string{get("series", "lastObservedTime"), get("lastTimestamp"), get("eventTime"),
		get("metadata", "creationTimestamp")} {
		if t, err := time.Parse(time.RFC3339Nano, stamp); err == nil {
			return t.After(oldest)
		}
	}
	return false
}
