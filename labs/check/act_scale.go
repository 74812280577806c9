package check

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/field"
)

// Scale is the act of wanting another number of pods of an object, by its kind
// (and apiVersion) and name.
type Scale struct {
	Kind       string
	APIVersion string `yaml:"apiVersion"`
	Name       *field.Name
	// Replicas is a number, or an expression for it.
	Replicas *field.Number
	At       problem.Pos `yaml:"-"`
}

// Target is what is scaled.
func (sc *Scale) Target() Target {
	return Target{Kind: sc.Kind, APIVersion: sc.APIVersion, Name: sc.Name, At: sc.At}
}

// Validate wants a name, and a number that is not too large.
func (sc *Scale) Validate(v *field.Validator) {
	v.Need(sc.At, "scale", "kind", sc.Kind != "")
	v.Need(sc.At, "scale", "name", sc.Name != nil)
	v.Need(sc.At, "scale", "replicas", sc.Replicas != nil)
	v.Number(sc.Replicas, "replicas", 0, 100)
}

// Do wants another number of pods, and the old one again.
func (sc *Scale) Do(ctx context.Context, c *Cluster, s *Scope, obj *unstructured.Unstructured, say func(string)) (stepBack, error) {
	replicas, err := sc.Replicas.Value(ctx, c.variables(ctx, s))
	if err != nil {
		return nil, fmt.Errorf("replicas: %w", err)
	}
	old, found, err := unstructured.NestedInt64(obj.Object, "spec", "replicas")
	if err != nil || !found {
		return nil, missing(lang.Textf("%s can't be scaled", "%s은(는) 스케일할 수 없습니다", objectName(obj)))
	}
	say(lang.Textf("scaling %s to %d and watching what happens", "%s을(를) %d개로 바꾸고 지켜보는 중입니다", objectName(obj), replicas).String())
	set := func(ctx context.Context, n int64) error {
		return c.merge(ctx, sc.APIVersion, obj, map[string]any{"spec": map[string]any{"replicas": n}})
	}
	return func(ctx context.Context) error { return set(ctx, old) }, set(ctx, int64(replicas))
}
