package check

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/field"
)

// Quota is a ResourceQuota of the lab's namespace or, without a name (quota:
// {}), all of them together. The expression sees four maps, with the quota's
// own names of resources as keys (hard.pods, hard["requests.cpu"]):
//
//	`hard`      the limits (spec.hard)
//	`used`      what is used of them (status.used), once that is counted
//	`left`      what is left; below 0 where a limit was lowered since
//	`defaults`  what a container gets that names nothing itself, by the
//	            LimitRanges of the namespace: defaults.requests.cpu,
//	            defaults.limits.memory
//
// The values are numbers of cores, of bytes, or of objects: 250m of cpu is
// 0.25, 1Ki of memory 1024. All are doubles in CEL: left.pods == 4 holds, but
// what is added must be one, too, as in left.pods + 4.0. Of several quotas,
// those that bind most count: for each resource the lowest limit, the highest
// use, and the least that is left.
type Quota struct {
	Name *field.Name
	At   problem.Pos `yaml:"-"`
}

// Variables are the limits, what is used and left of them, and the defaults.
func (*Quota) Variables() []string { return []string{"hard", "used", "left", "defaults"} }

// Validate has nothing to find: the name may be left out.
func (*Quota) Validate(*field.Validator) {}

// Watches is quotas, where use is counted, and LimitRanges.
func (*Quota) Watches() (objects []Watched, live bool) {
	return []Watched{{Kind: "ResourceQuota", APIVersion: "v1"}, {Kind: "LimitRange", APIVersion: "v1"}}, true
}

// Look reads the quotas and the LimitRanges.
func (q *Quota) Look(ctx context.Context, c *Cluster, s *Scope, base expr.Scope) (expr.Scope, error) {
	quotas, err := q.quotas(ctx, c, s, base)
	if err != nil {
		return nil, err
	}
	hard, used, left := amounts{}, amounts{}, amounts{}
	for i := range quotas {
		limits, err := quantities(&quotas[i], "spec", "hard")
		if err != nil {
			return nil, err
		}
		uses, err := quantities(&quotas[i], "status", "used")
		if err != nil {
			return nil, err
		}
		for name, limit := range limits {
			hard.keep(name, limit, lower)
			if use, counted := uses[name]; counted {
				used.keep(name, use, higher)
				limit.Sub(use)
				left.keep(name, limit, lower)
			}
		}
	}
	defaults, err := containerDefaults(ctx, c, s)
	if err != nil {
		return nil, err
	}
	return base.With("hard", hard.numbers()).With("used", used.numbers()).With("left", left.numbers()).With("defaults", defaults), nil
}

// quotas are those that are meant, at least one.
func (q *Quota) quotas(ctx context.Context, c *Cluster, s *Scope, base expr.Scope) ([]unstructured.Unstructured, error) {
	if q.Name != nil {
		name, err := q.Name.Render(ctx, base)
		if err != nil {
			return nil, err
		}
		quota, err := c.need(ctx, "ResourceQuota", "v1", s.Namespace, name)
		if err != nil {
			return nil, err
		}
		return []unstructured.Unstructured{*quota}, nil
	}
	quotas, err := c.List(ctx, "ResourceQuota", "v1", s.Namespace, "")
	if err == nil && len(quotas) == 0 {
		err = missing(lang.Textf("there is no %[1]s in namespace %[2]s", "네임스페이스 %[2]s에 %[1]s이(가) 없습니다",
			kindName("ResourceQuota"), s.Namespace))
	}
	return quotas, err
}

// containerDefaults are what the namespace's LimitRanges give to containers;
// of several, the first by name.
func containerDefaults(ctx context.Context, c *Cluster, s *Scope) (map[string]any, error) {
	ranges, err := c.List(ctx, "LimitRange", "v1", s.Namespace, "")
	if err != nil {
		return nil, err
	}
	requests, limits := amounts{}, amounts{}
	for i := range ranges {
		items, _, _ := unstructured.NestedSlice(ranges[i].Object, "spec", "limits") // none: no defaults
		for _, item := range items {
			m, _ := item.(map[string]any)
			if m["type"] != "Container" {
				continue
			}
			for key, into := range map[string]amounts{"defaultRequest": requests, "default": limits} {
				given, err := quantities(&unstructured.Unstructured{Object: m}, key)
				if err != nil {
					return nil, err
				}
				for name, amount := range given {
					into.keep(name, amount, first)
				}
			}
		}
	}
	return map[string]any{"requests": requests.numbers(), "limits": limits.numbers()}, nil
}

// amounts are quantities by the names of resources.
type amounts map[string]resource.Quantity

// Which of two quantities is kept, by how the new one compares to the old.
var (
	lower  = func(order int) bool { return order < 0 }
	higher = func(order int) bool { return order > 0 }
	first  = func(int) bool { return false }
)

func (a amounts) keep(name string, amount resource.Quantity, better func(order int) bool) {
	if had, ok := a[name]; !ok || better(amount.Cmp(had)) {
		a[name] = amount.DeepCopy()
	}
}

// numbers are the quantities in base units.
func (a amounts) numbers() map[string]any {
	out := make(map[string]any, len(a))
	for name, amount := range a {
		out[name] = amount.AsFloat64Slow() // the quick way gives 0.7000000000000001 for 700m
	}
	return out
}

// quantities reads a map of quantities in an object; none is an empty one.
func quantities(obj *unstructured.Unstructured, path ...string) (amounts, error) {
	texts, _, err := unstructured.NestedStringMap(obj.Object, path...)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", objectName(obj), err)
	}
	out := amounts{}
	for name, text := range texts {
		amount, err := resource.ParseQuantity(text)
		if err != nil {
			return nil, fmt.Errorf("reading %s of %s: %q: %w", name, objectName(obj), text, err)
		}
		out[name] = amount
	}
	return out, nil
}
