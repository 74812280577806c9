package world_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

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

// TestNamespaceOfSomebodyElse: whatever is in a namespace that a lab did not make is not
// the lab's to remove.
func TestNamespaceOfSomebodyElse(t *testing.T) {
	lab := map[string]any{"noriter.dev/lab": "x"}
	marked := func(name, label, origin string) *unstructured.Unstructured {
		o := labtest.Object("v1", "Namespace", "", name, nil)
		if label != "" {
			o.SetLabels(map[string]string{"noriter.dev/lab": label})
		}
		if origin != "" {
			o.SetAnnotations(map[string]string{world.OriginAnnotation: origin})
		}
		return o
	}
	for name, c := range map[string]struct {
		there *unstructured.Unstructured
		lab   world.Namespace
		taken bool
	}{
		"none":                             {nil, world.Namespace{Name: "lab-x"}, false},
		"its own":                          {marked("lab-x", "x", ""), world.Namespace{Name: "lab-x"}, false},
		"its own, from elsewhere":          {marked("lab-x", "x", "/a"), world.Namespace{Name: "lab-x", Origin: "/a"}, false},
		"a learner's, of a lab's name":     {marked("lab-x", "", ""), world.Namespace{Name: "lab-x"}, true},
		"of an older version, elsewhere":   {marked("lab-x", "x", ""), world.Namespace{Name: "lab-x", Origin: "/a"}, false},
		"a learner's":                      {marked("precious", "", ""), world.Namespace{Name: "precious", Origin: "/a"}, true},
		"of another lab":                   {marked("lab-x", "y", ""), world.Namespace{Name: "lab-x"}, true},
		"of another folder":                {marked("lab-x", "x", "/b"), world.Namespace{Name: "lab-x", Origin: "/a"}, true},
		"of the built-in one of that name": {marked("lab-x", "x", ""), world.Namespace{Name: "lab-x", Origin: "/a", Twin: true}, true},
		"of one that has its name":         {marked("lab-x", "x", "/a"), world.Namespace{Name: "lab-x"}, true},
		"the ingress controller's":         {marked("ingress-nginx", "x", "/a"), world.Namespace{Name: "ingress-nginx", Origin: "/a"}, true},
		"the cluster's":                    {nil, world.Namespace{Name: "kube-system"}, true},
	} {
		w := labtest.NewWorld(t.TempDir())
		n := c.lab
		n.Cluster, n.Labels, n.Attempt = w.Cluster, lab, "1"
		if c.there != nil {
			w.Put(c.there)
			w.Put(labtest.Object("v1", "Secret", n.Name, "kept", nil))
		}
		ctx := context.Background()
		made, deleted := n.Make(ctx, time.Minute, n.Delete), n.Delete(ctx)
		if errors.Is(made, world.ErrTaken) != c.taken || errors.Is(deleted, world.ErrTaken) != c.taken {
			t.Errorf("%s: made %v, deleted %v", name, made, deleted)
		}
		if c.there == nil || !c.taken {
			continue
		}
		if kept, err := w.Get(ctx, "Secret", "v1", n.Name, "kept"); kept == nil || err != nil {
			t.Errorf("%s: what was in it is gone: %v", name, err)
		}
	}
}
