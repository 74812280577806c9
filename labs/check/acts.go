package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/field"
)

// acts are what a triggered check can do, in the order in which messages list
// them.
var acts = table[Act]{
	{"delete", (*Delete)(nil)},
	{"scale", (*Scale)(nil)},
	{"label", (*Label)(nil)},
	{"node", (*NodeAct)(nil)},
}

// Act is one thing that a triggered check can do: a pointer to the struct that
// its fields in lab.yaml are read into.
type Act interface {
	// Target says which objects are hit.
	Target() Target
	// Validate finds mistakes in the fields.
	Validate(v *field.Validator)
	// Do hits one object, once it has told say about it, and gives what undoes
	// that; nil is nothing. Also after an error, what is given must be undone.
	Do(ctx context.Context, c *Cluster, s *Scope, obj *unstructured.Unstructured, say func(string)) (stepBack, error)
}

// lasting is an act that goes on after it was done.
type lasting interface {
	// Await waits until the act has come to its end for all that were hit.
	Await(ctx context.Context, c *Cluster, s *Scope, hit []unstructured.Unstructured) error
}

// Target is what objects an act hits, by kind (and apiVersion) and either name
// or selector, a label selector.
type Target struct {
	Kind       string
	APIVersion string `yaml:"apiVersion"`
	Name       *field.Name
	Selector   *field.Name
	// Pick is "one" (the default; the oldest that isn't being deleted) or "all".
	Pick string
	At   problem.Pos `yaml:"-"`
}

// validate wants a kind, and either name or selector.
func (t Target) validate(v *field.Validator, act string) {
	v.Need(t.At, act, "kind", t.Kind != "")
	if (t.Name == nil) == (t.Selector == nil) {
		v.Fail(t.At, "%s: want name or selector", act)
	}
	if t.Pick != "" && t.Pick != "one" && t.Pick != "all" {
		v.Fail(t.At, "pick: want one or all, found %q", t.Pick)
	}
}

// find gives the objects that are hit, the oldest first.
func (t Target) find(ctx context.Context, c *Cluster, s *Scope) ([]unstructured.Unstructured, error) {
	base := c.variables(ctx, s)
	name, err := t.Name.Fill(ctx, base, "")
	if err != nil {
		return nil, err
	}
	selector, err := t.Selector.Fill(ctx, base, "")
	if err != nil {
		return nil, err
	}
	if err := t.within(c); err != nil {
		return nil, err
	}
	items, err := c.List(ctx, t.Kind, t.APIVersion, s.Namespace, selector)
	if err != nil {
		return nil, err
	}
	var hit []unstructured.Unstructured
	for _, item := range items {
		if item.GetDeletionTimestamp() == nil && (name == "" || item.GetName() == name) {
			hit = append(hit, item)
		}
	}
	if len(hit) == 0 {
		return nil, missing(lang.Textf("there is no %s to try this on", "%s이(가) 없어서 시험해 볼 수 없습니다", t.describe(name, selector)))
	}
	sort.SliceStable(hit, func(i, j int) bool {
		return hit[i].GetCreationTimestamp().Time.Before(hit[j].GetCreationTimestamp().Time)
	})
	if t.Pick != "all" {
		hit = hit[:1]
	}
	return hit, nil
}

// within gives an error where the objects are not of the lab's namespace. Of what all
// namespaces share only nodes are hit, and only by what is undone: the rest was not made by
// the lab, and may be precious to somebody.
func (t Target) within(c *Cluster) error {
	m, err := c.Resource(t.Kind, t.APIVersion)
	if err != nil {
		return err
	}
	if m.Scope.Name() == meta.RESTScopeNameRoot && m.Resource.GroupResource() != nodeResource {
		return errShared(t.Kind)
	}
	return nil
}

var nodeResource = schema.GroupResource{Resource: "nodes"}

func errShared(kind string) error {
	return lang.Errorf("a %s is no object of the lab's namespace, so the lab doesn't touch it", "%s은(는) 실습 네임스페이스의 오브젝트가 아니어서 실습이 건드리지 않습니다", kindName(kind))
}

// describe names what an act is about, within a sentence: "pod web", "pod with the label
// app=web".
func (t Target) describe(name, selector string) lang.Text {
	kind := kindName(t.Kind)
	switch {
	case name != "":
		return lang.Textf("%s %s", "%s %s", kind, name)
	case selector != "":
		return lang.Textf("%s with the label %s", "레이블 %[2]s을(를) 가진 %[1]s", kind, selector)
	}
	return kind
}

// undoLimit is for putting back all that one check did.
const undoLimit = 3 * time.Minute

// stepBack undoes one thing.
type stepBack func(context.Context) error

// act hits the objects one after another, and gives what undoes it. Also after
// an error, what is given must be undone.
func (c *Cluster) act(ctx context.Context, s *Scope, a Act, hit []unstructured.Unstructured, say func(string)) (undo []stepBack, err error) {
	for i := range hit {
		back, err := a.Do(ctx, c, s, &hit[i], say)
		if back != nil {
			undo = append(undo, back)
		}
		if err != nil {
			return undo, err
		}
	}
	return undo, nil
}

// undo puts back what an act did, the last first, also when the learner has
// left meanwhile.
func (c *Cluster) undo(ctx context.Context, undo []stepBack) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoLimit)
	defer cancel()
	var all []error
	for i := len(undo) - 1; i >= 0; i-- {
		all = append(all, undo[i](ctx))
	}
	return errors.Join(all...)
}

func objectName(obj *unstructured.Unstructured) string {
	return strings.ToLower(obj.GetKind()) + "/" + obj.GetName()
}

// merge lays fields over an object. One that has gone needs nothing put back.
func (c *Cluster) merge(ctx context.Context, apiVersion string, obj *unstructured.Unstructured, fields map[string]any) error {
	m, err := c.Resource(obj.GetKind(), apiVersion)
	if err != nil {
		return err
	}
	data, err := json.Marshal(fields)
	if err != nil {
		return fmt.Errorf("changing %s: %w", objectName(obj), err)
	}
	_, err = c.client(m, obj.GetNamespace()).Patch(ctx, obj.GetName(), types.MergePatchType, data, metav1.PatchOptions{FieldManager: "nori-lab"})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("changing %s: %w", objectName(obj), err)
	}
	return nil
}
