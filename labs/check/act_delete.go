package check

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
	"noriter.dev/noriter/labs/field"
)

// Delete is the act of killing: objects are deleted, with their own grace. It
// isn't undone.
type Delete Target

// goneLimit is for an object to go; a pod's default grace is 30 s.
const goneLimit = 45 * time.Second

// Target is what is deleted.
func (d *Delete) Target() Target { return Target(*d) }

// Validate wants a target.
func (d *Delete) Validate(v *field.Validator) { d.Target().validate(v, "delete") }

// Do deletes an object of the lab's namespace.
func (d *Delete) Do(ctx context.Context, c *Cluster, s *Scope, obj *unstructured.Unstructured, say func(string)) (stepBack, error) {
	if obj.GetNamespace() != s.Namespace { // a node
		return nil, errShared(d.Kind)
	}
	say(lang.Textf("deleting %s and watching what happens", "%s을(를) 지우고 지켜보는 중입니다", objectName(obj)).String())
	return nil, c.Delete(ctx, d.Kind, d.APIVersion, obj)
}

// Await waits until the objects are gone.
func (d *Delete) Await(ctx context.Context, c *Cluster, s *Scope, hit []unstructured.Unstructured) error {
	uids := map[types.UID]bool{}
	for i := range hit {
		uids[hit[i].GetUID()] = true
	}
	left, what := "", lang.Text{EN: "what was deleted to go", KO: "지운 것이 사라지는 것"}
	gone, err := wait.Within(ctx, goneLimit, pollInterval, what, func(context.Context) (bool, string, error) {
		items, err := c.List(ctx, d.Kind, d.APIVersion, s.Namespace, "")
		left = ""
		for i := range items {
			if uids[items[i].GetUID()] {
				left = items[i].GetName()
			}
		}
		return left == "", left, err
	})
	if err == nil && !gone {
		return missing(lang.Textf("%s is still there %s after it was deleted",
			"%s을(를) 지운 지 %s이(가) 지났는데도 남아 있습니다", left, goneLimit))
	}
	return err
}
