package podspec

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/kubernetes/pkg/fieldpath"
)

// fieldValue is the downward API's value of a field of the pod, for an environment
// variable: podFieldSelectorRuntimeValue in pkg/kubelet/kubelet_pods.go.
//
// podIPs and hostIPs are given apart, the primary address first: a pod has no address
// before its sandbox is up, and the pod object learns it only later, from the agent.
// Fields of the metadata come from upstream's own package, which downwardAPI volumes
// use as well. So a variable and a file show the same text.
func fieldValue(pod *v1.Pod, path string, podIPs, hostIPs []string) (string, error) {
	switch path {
	case "spec.nodeName":
		return pod.Spec.NodeName, nil
	case "spec.serviceAccountName", "spec.serviceAccount":
		return pod.Spec.ServiceAccountName, nil
	case "status.phase":
		return string(pod.Status.Phase), nil
	case "status.podIP":
		return first(podIPs), nil
	case "status.podIPs":
		return strings.Join(podIPs, ","), nil
	case "status.hostIP":
		return first(hostIPs), nil
	case "status.hostIPs":
		return strings.Join(hostIPs, ","), nil
	}
	return MetadataValue(pod, path)
}

// MetadataValue is the downward API's value of a field of the pod's metadata: all that a
// downwardAPI volume can show of the pod itself. Maps are one key="value" a line, in the
// order of the keys.
func MetadataValue(pod *v1.Pod, path string) (string, error) {
	return fieldpath.ExtractFieldPathAsString(pod, path)
}

func first(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}

// ResourceValue is the downward API's value of a request or limit, in units of the
// selector's divisor and rounded up: ExtractContainerResourceValue in
// pkg/api/v1/resource/helpers.go. A selector without a containerName means own, which
// may be nil.
//
// A limit of cpu, memory or ephemeral-storage that the container does not have is what
// the node can allot, because that is all the container can ever get. Huge pages have no
// such default: they are never overcommitted, so a container without a limit has none.
func ResourceValue(pod *v1.Pod, own *v1.Container, sel *v1.ResourceFieldSelector, allocatable v1.ResourceList) (string, error) {
	c := own
	if sel.ContainerName != "" && (own == nil || own.Name != sel.ContainerName) {
		c = FindContainer(pod, sel.ContainerName)
	}
	if c == nil {
		return "", fmt.Errorf("container %s not found", sel.ContainerName)
	}
	kind, name, ok := strings.Cut(sel.Resource, ".")
	res := v1.ResourceName(name)
	known := res == v1.ResourceCPU || res == v1.ResourceMemory || res == v1.ResourceEphemeralStorage
	if !ok || kind != "limits" && kind != "requests" || !known && !strings.HasPrefix(name, v1.ResourceHugePagesPrefix) {
		return "", fmt.Errorf("unsupported container resource : %v", sel.Resource)
	}
	list := c.Resources.Requests
	if kind == "limits" {
		list = c.Resources.Limits
	}
	amount := list[res]
	if kind == "limits" && known && amount.IsZero() {
		amount = allocatable[res]
	}
	return divided(amount, sel.Divisor, res == v1.ResourceCPU), nil
}

// divided is amount / divisor rounded up, where no divisor means 1. CPU counts in
// thousandths, or half a processor would be 1 whatever its divisor.
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
