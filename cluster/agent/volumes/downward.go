package volumes

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
)

// FieldValue is the text of a field of the pod's metadata, as a downwardAPI volume
// or an environment variable shows it: metadata.name, .namespace, .uid, .labels,
// .annotations, and labels and annotations by key as in metadata.labels['app'].
func FieldValue(pod *v1.Pod, fieldPath string) (string, error) {
	if path, key, ok := subscript(fieldPath); ok {
		return subscriptValue(pod, fieldPath, path, key)
	}
	switch fieldPath {
	case "metadata.name":
		return pod.Name, nil
	case "metadata.namespace":
		return pod.Namespace, nil
	case "metadata.uid":
		return string(pod.UID), nil
	case "metadata.labels":
		return formatMap(pod.Labels), nil
	case "metadata.annotations":
		return formatMap(pod.Annotations), nil
	}
	return "", fmt.Errorf("unsupported fieldPath: %v", fieldPath)
}

// subscript takes metadata.labels['key'] apart.
func subscript(fieldPath string) (path, key string, ok bool) {
	rest, ok := strings.CutSuffix(fieldPath, "']")
	if !ok {
		return "", "", false
	}
	path, key, ok = strings.Cut(rest, "['")
	return path, key, ok && path != ""
}

func subscriptValue(pod *v1.Pod, fieldPath, path, key string) (string, error) {
	values, name := pod.Labels, key
	switch path {
	case "metadata.labels":
	case "metadata.annotations":
		// Annotation keys may have capitals before the slash.
		values, name = pod.Annotations, strings.ToLower(key)
	default:
		return "", fmt.Errorf("fieldPath %q does not support subscript", fieldPath)
	}
	if errs := validation.IsQualifiedName(name); len(errs) > 0 {
		return "", fmt.Errorf("invalid key subscript in %s: %s", fieldPath, strings.Join(errs, ";"))
	}
	return values[key], nil
}

// formatMap writes key="value" lines in the order of the keys.
func formatMap(m map[string]string) string {
	lines := make([]string, 0, len(m))
	for k, v := range m {
		lines = append(lines, k+"="+strconv.Quote(v))
	}
	// By key, not by line: "a.b" sorts before "a" if the "=" takes part.
	sort.Slice(lines, func(i, j int) bool {
		a, _, _ := strings.Cut(lines[i], "=")
		b, _, _ := strings.Cut(lines[j], "=")
		return a < b
	})
	return strings.Join(lines, "\n")
}

// ResourceValue is the text of a container's request or limit, in units of the
// selector's divisor and rounded up. A limit of cpu, memory or ephemeral-storage
// that the container doesn't have is what the node can allot; node may be nil.
// An empty containerName in the selector means the given container.
func ResourceValue(pod *v1.Pod, container string, sel *v1.ResourceFieldSelector, node *v1.Node) (string, error) {
	if sel.ContainerName != "" {
		container = sel.ContainerName
	}
	c := findContainer(pod, container)
	if c == nil {
		return "", fmt.Errorf("container %s not found", container)
	}
	kind, name, ok := strings.Cut(sel.Resource, ".")
	res := v1.ResourceName(name)
	known := res == v1.ResourceCPU || res == v1.ResourceMemory || res == v1.ResourceEphemeralStorage
	if !ok || (kind != "limits" && kind != "requests") || (!known && !strings.HasPrefix(name, v1.ResourceHugePagesPrefix)) {
		return "", fmt.Errorf("unsupported container resource : %v", sel.Resource)
	}
	list := c.Resources.Requests
	if kind == "limits" {
		list = c.Resources.Limits
	}
	amount := list[res]
	if kind == "limits" && known && amount.IsZero() && node != nil {
		amount = node.Status.Allocatable[res]
	}
	return divided(amount, sel.Divisor, res == v1.ResourceCPU), nil
}

// divided is amount / divisor rounded up; CPU counts in thousandths.
func divided(amount, divisor resource.Quantity, milli bool) string {
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	a, d := amount.Value(), divisor.Value()
	if milli {
		a, d = amount.MilliValue(), divisor.MilliValue()
	}
	return strconv.FormatInt(int64(math.Ceil(float64(a)/float64(d))), 10)
}

func findContainer(pod *v1.Pod, name string) *v1.Container {
	for _, list := range [][]v1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

// metadataChanged reports whether the parts of a pod that a volume can show differ.
func metadataChanged(old, now *v1.Pod) bool {
	return old == nil || !sameMap(old.Labels, now.Labels) || !sameMap(old.Annotations, now.Annotations)
}

func sameMap(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			return false
		}
	}
	return true
}
