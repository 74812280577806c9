package world_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"noriter.dev/noriter/labs/labtest"
	"noriter.dev/noriter/labs/world"
)

// TestNamespaceBelongsToOneAttempt: making it twice changes nothing, and that
// of another attempt is removed first.
func TestNamespaceBelongsToOneAttempt(t *testing.T) {
	w := labtest.NewWorld(t.TempDir())
	attempt := func(id string) *world.Namespace {
		return &world.Namespace{Cluster: w.Cluster, Name: "lab-x", Labels: map[string]any{"a": "b"}, Attempt: id}
	}
	ctx, removed := context.Background(), 0
	remove := func(ctx context.Context) error {
		removed++
		return attempt("").Delete(ctx)
	}
	for _, c := range []struct {
		id      string
		removed int
	}{{"1", 0}, {"1", 0}, {"2", 1}} {
		n := attempt(c.id)
		if err := n.Make(ctx, time.Minute, remove); err != nil || removed != c.removed {
			t.Fatalf("attempt %s: %v, removed %d times", c.id, err, removed)
		}
		ns, err := w.Get(ctx, "Namespace", "v1", "", "lab-x")
		if err != nil || ns.GetAnnotations()[world.AttemptAnnotation] != c.id || ns.GetLabels()["a"] != "b" {
			t.Errorf("attempt %s: %v, %v", c.id, ns, err)
		}
	}
	if mine, err := attempt("1").IsThere(ctx); mine || err != nil {
		t.Errorf("the namespace of another attempt is taken for this one's: %v", err)
	}
	if mine, err := attempt("2").IsThere(ctx); !mine || err != nil {
		t.Errorf("the namespace isn't there: %v", err)
	}
	if gone, err := attempt("1").IsGone(ctx); gone || err != nil {
		t.Errorf("the namespace is gone: %v", err)
	}
	for range 2 { // the second has nothing to do
		if err := attempt("2").Delete(ctx); err != nil {
			t.Error(err)
		}
	}
	if gone, err := attempt("2").IsGone(ctx); !gone || err != nil {
		t.Errorf("the namespace isn't gone: %v", err)
	}
}

func TestMakeSaysWhatItCantDo(t *testing.T) {
	w := labtest.NewWorld(t.TempDir())
	refused := errors.New("quota exceeded")
	w.Refuse(refused)
	n := &world.Namespace{Cluster: w.Cluster, Name: "lab-x"}
	if err := n.Make(context.Background(), time.Minute, n.Delete); !errors.Is(err, refused) || !strings.Contains(err.Error(), "making the namespace lab-x") {
		t.Error(err)
	}
}

func TestObjects(t *testing.T) {
	objects, err := world.Objects("f.yaml", "kind: A\n---\n# nothing\n---\nkind: B\n")
	if err != nil || len(objects) != 2 || objects[1].GetKind() != "B" {
		t.Errorf("%v, %v", objects, err)
	}
	if _, err := world.Objects("f.yaml", "kind: A\n---\n\tkind"); err == nil || !strings.Contains(err.Error(), "reading f.yaml: ") {
		t.Error(err)
	}
}
