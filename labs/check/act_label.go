package check

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/field"
)

// Label is the act of changing labels, of what kind (and apiVersion), name or
// selector, and pick say, as for Target.
type Label struct {
	Kind       string
	APIVersion string `yaml:"apiVersion"`
	Name       *field.Name
	Selector   *field.Name
	Pick       string
	// Labels are the new values; an empty one takes the label away.
	Labels map[string]*field.Name
	At     problem.Pos `yaml:"-"`
}

// Target is what gets other labels.
func (l *Label) Target() Target {
	return Target{Kind: l.Kind, APIVersion: l.APIVersion, Name: l.Name, Selector: l.Selector, Pick: l.Pick, At: l.At}
}

// Validate wants labels, and a target.
func (l *Label) Validate(v *field.Validator) {
	v.Need(l.At, "label", "labels", len(l.Labels) > 0)
	l.Target().validate(v, "label")
}

// Do changes labels, and brings back what they were.
func (l *Label) Do(ctx context.Context, c *Cluster, s *Scope, obj *unstructured.Unstructured, say func(string)) (stepBack, error) {
	labels, old := map[string]any{}, map[string]any{}
	base := c.variables(ctx, s)
	for key, template := range l.Labels {
		value, err := template.Render(ctx, base)
		if err != nil {
			return nil, err
		}
		labels[key], old[key] = any(value), nil
		if value == "" {
			labels[key] = nil
		}
		if had, ok := obj.GetLabels()[key]; ok {
			old[key] = had
		}
	}
	say(lang.Textf("changing labels of %s and watching what happens", "%s의 레이블을 바꾸고 지켜보는 중입니다", objectName(obj)).String())
	set := func(ctx context.Context, labels map[string]any) error {
		return c.merge(ctx, l.APIVersion, obj, map[string]any{"metadata": map[string]any{"labels": labels}})
	}
	return func(ctx context.Context) error { return set(ctx, old) }, set(ctx, labels)
}
