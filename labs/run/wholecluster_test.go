package run_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"

	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/labtest"
	"noriter.dev/noriter/labs/progress"
	"noriter.dev/noriter/labs/run"
	"noriter.dev/noriter/labs/world"
)

// wide opens a lab that makes the namespace "precious", an object of the whole cluster, and
// says that it is another's.
func wide(t *testing.T, path string) (*run.Session, *labtest.World) {
	t.Helper()
	files := labtest.DemoFS()
	pods := files["demo/setup/pods.yaml"]
	pods.Data = append(pods.Data, `---
apiVersion: v1
kind: Namespace
metadata:
  name: precious
  labels: {new: "1", noriter.dev/lab: other}
  annotations: {noriter.dev/origin: /other, noriter.dev/for-namespace: other}
`...)
	lab, err := format.Load(files, "demo")
	if err != nil {
		t.Fatal(err)
	}
	lab.Path = path
	env, _ := labtest.Env(t)
	return labtest.OpenWorld(env, lab)
}

// precious is the namespace of that name: of which lab, from where, for which namespace.
func precious(lab, origin, namespace string) *unstructured.Unstructured {
	o := labtest.Object("v1", "Namespace", "", "precious", nil)
	o.SetUID("uid-precious")
	if lab != "" {
		o.SetLabels(map[string]string{"noriter.dev/lab": lab})
		o.SetAnnotations(map[string]string{world.OriginAnnotation: origin, world.ForAnnotation: namespace})
		o.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "nori-lab"}})
	}
	return o
}

// TestClusterObjectsOfOthers: what is of the whole cluster is changed by the lab that made
// it, and by no other.
func TestClusterObjectsOfOthers(t *testing.T) {
	old := precious("", "", "")
	old.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "nori-lab"}})
	for name, c := range map[string]struct {
		path    string
		there   *unstructured.Unstructured
		changes bool
	}{
		"a learner's":                        {"/elsewhere/demo", precious("", "", ""), false},
		"a learner's, and a built-in lab":    {"", precious("", "", ""), false},
		"its own":                            {"/elsewhere/demo", precious("demo", "/elsewhere/demo", "lab-demo"), true},
		"its own, of a built-in lab":         {"", precious("demo", "", "lab-demo"), true},
		"its own, for another namespace":     {"/elsewhere/demo", precious("demo", "/elsewhere/demo", "lab-demo-proof-1"), true},
		"another lab's":                      {"/elsewhere/demo", precious("other", "/elsewhere/demo", "lab-demo"), false},
		"another built-in lab's":             {"", precious("other", "", "lab-demo"), false},
		"of that id in another folder":       {"/elsewhere/demo", precious("demo", "/other/demo", "lab-demo"), false},
		"of that id, built in":               {"/elsewhere/demo", precious("demo", "", "lab-demo"), false},
		"of that id, not built in":           {"", precious("demo", "/other/demo", "lab-demo"), false},
		"of an older version":                {"/elsewhere/demo", old, false},
		"of an older version, of a built-in": {"", old, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, w := wide(t, c.path)
			w.Put(c.there)
			var applied *unstructured.Unstructured
			w.Client.PrependReactor("patch", "namespaces", func(a clienttesting.Action) (bool, runtime.Object, error) {
				applied = &unstructured.Unstructured{}
				return true, applied, applied.UnmarshalJSON(a.(clienttesting.PatchAction).GetPatch())
			})
			err := s.Start(context.Background(), quiet)
			if c.changes != (err == nil) || c.changes != (applied != nil) {
				t.Fatalf("changed: %t, %v", applied != nil, err)
			}
			if !c.changes {
				if !strings.Contains(err.Error(), "not made by this lab") {
					t.Error(err)
				}
				return
			}
			notes := applied.GetAnnotations()
			if applied.GetUID() != types.UID("uid-precious") || applied.GetLabels()["noriter.dev/lab"] != "demo" ||
				notes[world.OriginAnnotation] != c.path || notes[world.ForAnnotation] != "lab-demo" {
				t.Errorf("%v", applied)
			}
		})
	}
}

// TestClusterObjectsGoWithTheLab, and nobody else's do.
func TestClusterObjectsGoWithTheLab(t *testing.T) {
	const path = "/elsewhere/demo"
	ctx := context.Background()
	s, w := wide(t, path)
	if err := s.Start(ctx, quiet); err != nil {
		t.Fatal(err)
	}
	made, err := w.Get(ctx, "Namespace", "v1", "", "precious")
	if err != nil || made.GetLabels()["new"] != "1" || made.GetLabels()["noriter.dev/lab"] != "demo" || made.GetAnnotations()[world.OriginAnnotation] != path {
		t.Fatalf("%v, %v", made, err)
	}
	others := map[string]*unstructured.Unstructured{
		"of that id in another folder": precious("demo", "/other/demo", "lab-demo"),
		"another lab's":                precious("other", path, "lab-demo"),
		"for another namespace":        precious("demo", path, "lab-demo-proof-1"),
		"a learner's":                  precious("", "", ""),
	}
	rename := strings.NewReplacer(" ", "-", "'", "")
	for name, o := range others {
		o.SetName(rename.Replace(name))
		w.Put(o)
	}
	for _, way := range []struct {
		name string
		act  func() error
	}{
		{"a reset", func() error { return s.Reset(ctx, quiet) }},
		{"a reset of a step", func() error { return s.ResetStep(ctx, quiet) }},
		{"a start where another attempt's world is", func() error {
			err := s.Store.Update(func(all *progress.State) error {
				all.Labs[s.Lab.Key()].Phase, all.Labs[s.Lab.Key()].Started = progress.SettingUp, time.Now().Add(time.Hour)
				return nil
			})
			return errors.Join(err, s.Start(ctx, quiet))
		}},
	} {
		if err := way.act(); err != nil {
			t.Fatal(err)
		}
		again, err := w.Get(ctx, "Namespace", "v1", "", "precious")
		if err != nil || again == nil || again.GetUID() == made.GetUID() {
			t.Fatalf("%s did not make it anew: %v, %v", way.name, again, err)
		}
		made = again
	}
	if err := s.Remove(ctx); err != nil {
		t.Fatal(err)
	}
	if gone, err := w.Get(ctx, "Namespace", "v1", "", "precious"); gone != nil || err != nil {
		t.Errorf("it stays behind: %v, %v", gone, err)
	}
	for name, o := range others {
		if there, err := w.Get(ctx, "Namespace", "v1", "", o.GetName()); there == nil || err != nil {
			t.Errorf("%s is gone: %v", name, err)
		}
	}
}

// TestClusterObjectsStayWithTheirNamespace: where a lab's namespace is somebody else's by
// now, all stays as it is.
func TestClusterObjectsStayWithTheirNamespace(t *testing.T) {
	ctx := context.Background()
	s, w := wide(t, "/elsewhere/demo")
	if err := s.Start(ctx, quiet); err != nil {
		t.Fatal(err)
	}
	w.Put(labtest.Object("v1", "Namespace", "", "lab-demo", nil))
	if err := s.Remove(ctx); !errors.Is(err, world.ErrTaken) {
		t.Error(err)
	}
	if there, err := w.Get(ctx, "Namespace", "v1", "", "precious"); there == nil || err != nil {
		t.Errorf("it is gone: %v", err)
	}
}
