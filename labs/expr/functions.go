package expr

import (
	"fmt"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// functions are what labs ask of objects so often that the plain CEL for it
// would hide what a check means:
//
//	ready(pod)         the Ready condition is True and nobody deleted it
//	controller(object) "ReplicaSet/web" for the owner that controls it, or ""
//	container(pod, n)  the status of the container named n, or null
func functions() []cel.EnvOption {
	return []cel.EnvOption{
		cel.Function("ready", cel.Overload("ready_dyn", []*cel.Type{cel.DynType}, cel.BoolType,
			cel.UnaryBinding(func(v ref.Val) ref.Val { return types.Bool(Ready(object(v))) }))),
		cel.Function("controller", cel.Overload("controller_dyn", []*cel.Type{cel.DynType}, cel.StringType,
			cel.UnaryBinding(func(v ref.Val) ref.Val { return types.String(Controller(object(v))) }))),
		cel.Function("container", cel.Overload("container_dyn_string", []*cel.Type{cel.DynType, cel.StringType}, cel.DynType,
			cel.BinaryBinding(func(pod, name ref.Val) ref.Val {
				n, _ := name.Value().(string)
				for _, s := range list(object(pod), "status", "containerStatuses") {
					if m, ok := s.(map[string]any); ok && m["name"] == n {
						return types.DefaultTypeAdapter.NativeToValue(m)
					}
				}
				return types.NullValue
			}))),
	}
}

// Ready tells whether a pod's Ready condition is True and it isn't being deleted.
func Ready(pod map[string]any) bool {
	if meta, ok := pod["metadata"].(map[string]any); !ok || meta["deletionTimestamp"] != nil {
		return false
	}
	for _, c := range list(pod, "status", "conditions") {
		if m, ok := c.(map[string]any); ok && m["type"] == "Ready" {
			return m["status"] == "True"
		}
	}
	return false
}

// Controller names the owner that controls an object, as KIND/NAME.
func Controller(obj map[string]any) string {
	name, _ := controllerOf(obj)
	return name
}

// controllerOf gives the owner that controls an object, as KIND/NAME, and its UID.
func controllerOf(obj map[string]any) (name, uid string) {
	for _, o := range list(obj, "metadata", "ownerReferences") {
		m, ok := o.(map[string]any)
		if !ok || m["controller"] != true {
			continue
		}
		kind, _ := m["kind"].(string)
		name, _ := m["name"].(string)
		uid, _ := m["uid"].(string)
		return kind + "/" + name, uid
	}
	return "", ""
}

// list walks a path of maps to a list; what isn't there is an empty one.
func list(m map[string]any, path ...string) []any {
	for _, key := range path[:len(path)-1] {
		m, _ = m[key].(map[string]any)
	}
	l, _ := m[path[len(path)-1]].([]any)
	return l
}

// object gives the Go map behind a CEL value, or nil.
func object(v ref.Val) map[string]any {
	if m, ok := v.Value().(map[string]any); ok {
		return m
	}
	if m, ok := native(v).(map[string]any); ok {
		return m
	}
	return nil
}

// native turns a CEL value into what encoding/json would give for it, with
// whole numbers as int64.
func native(v ref.Val) any {
	switch t := v.(type) {
	case nil, types.Null:
		return nil
	case types.Bool:
		return bool(t)
	case types.Int:
		return int64(t)
	case types.String:
		return string(t)
	case types.Double:
		return float64(t)
	case types.Timestamp, types.Duration:
		return v.ConvertToType(types.StringType).Value()
	case *types.Optional:
		if !t.HasValue() {
			return nil
		}
		return native(t.GetValue())
	}
	switch t := v.(type) {
	case traits.Mapper:
		out := map[string]any{}
		for it := t.Iterator(); it.HasNext() == types.True; {
			key := it.Next()
			out[fmt.Sprint(key.Value())] = native(t.Get(key))
		}
		return out
	case traits.Lister:
		out := []any{}
		for it := t.Iterator(); it.HasNext() == types.True; {
			out = append(out, native(it.Next()))
		}
		return out
	}
	return v.Value()
}
