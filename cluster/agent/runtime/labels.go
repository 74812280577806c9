package runtime

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"strconv"

	v1 "k8s.io/api/core/v1"
	kubelettypes "k8s.io/kubelet/pkg/types"
)

// The labels of pods and containers are upstream's (k8s.io/kubelet/pkg/types): crictl and
// log collectors know them, and by them the agent finds its pods again.

// The annotations that keep what the agent must know about a container after the
// pod object has changed or gone (pkg/kubelet/kuberuntime/labels.go).
const (
	annotationHash           = "io.kubernetes.container.hash"
	annotationRestartCount   = "io.kubernetes.container.restartCount"
	annotationMessagePath    = "io.kubernetes.container.terminationMessagePath"
	annotationMessagePolicy  = "io.kubernetes.container.terminationMessagePolicy"
	annotationPreStop        = "io.kubernetes.container.preStopHandler"
	annotationPodGrace       = "io.kubernetes.pod.terminationGracePeriod"
	annotationDeletionGrace  = "io.kubernetes.pod.deletionGracePeriod"
	annotationContainerPorts = "io.kubernetes.container.ports"
)

// SandboxLabels are the pod's own labels and those that name it (newPodLabels in
// pkg/kubelet/kuberuntime/labels.go).
func SandboxLabels(pod *v1.Pod) map[string]string {
	labels := maps.Clone(pod.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[kubelettypes.KubernetesPodNameLabel] = pod.Name
	labels[kubelettypes.KubernetesPodNamespaceLabel] = pod.Namespace
	labels[kubelettypes.KubernetesPodUIDLabel] = string(pod.UID)
	return labels
}

// ContainerLabels name a container and its pod (newContainerLabels).
func ContainerLabels(pod *v1.Pod, container *v1.Container) map[string]string {
	return map[string]string{
		kubelettypes.KubernetesPodNameLabel:       pod.Name,
		kubelettypes.KubernetesPodNamespaceLabel:  pod.Namespace,
		kubelettypes.KubernetesPodUIDLabel:        string(pod.UID),
		kubelettypes.KubernetesContainerNameLabel: container.Name,
	}
}

// ContainerAnnotations are the facts about a container that outlive the agent
// (newContainerAnnotations). With them a container whose pod object is gone can still be
// stopped with its grace period and its preStop hook.
func ContainerAnnotations(pod *v1.Pod, container *v1.Container, restarts int) (map[string]string, error) {
	a := map[string]string{
		annotationHash:          HashContainer(container),
		annotationRestartCount:  strconv.Itoa(restarts),
		annotationMessagePath:   container.TerminationMessagePath,
		annotationMessagePolicy: string(container.TerminationMessagePolicy),
	}
	if g := pod.DeletionGracePeriodSeconds; g != nil {
		a[annotationDeletionGrace] = strconv.FormatInt(*g, 10)
	}
	if g := pod.Spec.TerminationGracePeriodSeconds; g != nil {
		a[annotationPodGrace] = strconv.FormatInt(*g, 10)
	}
	if container.Lifecycle != nil && container.Lifecycle.PreStop != nil {
		if err := putJSON(a, annotationPreStop, container.Lifecycle.PreStop); err != nil {
			return nil, err
		}
	}
	if len(container.Ports) > 0 {
		if err := putJSON(a, annotationContainerPorts, container.Ports); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func putJSON(annotations map[string]string, key string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encoding annotation %s: %w", key, err)
	}
	annotations[key] = string(data)
	return nil
}

// HashContainer changes exactly when a container has to be replaced: when its name or image
// does (HashContainer in pkg/kubelet/container/helpers.go). A pod update may touch no
// other part for which a container has to start anew.
func HashContainer(container *v1.Container) string {
	h := fnv.New32a()
	fmt.Fprintf(h, "%q %q", container.Name, container.Image)
	return strconv.FormatUint(uint64(h.Sum32()), 16)
}

// RestoreSpecs is what the annotations of a container tell about the pod it belongs to,
// enough to stop it properly when the pod object is gone (restoreSpecsFromContainerLabels
// in pkg/kubelet/kuberuntime/kuberuntime_container.go).
func RestoreSpecs(labels, annotations map[string]string) (*v1.Pod, *v1.Container) {
	pod := &v1.Pod{}
	pod.Name, pod.Namespace = kubelettypes.GetPodName(labels), kubelettypes.GetPodNamespace(labels)
	container := &v1.Container{
		Name:                     kubelettypes.GetContainerName(labels),
		TerminationMessagePath:   annotations[annotationMessagePath],
		TerminationMessagePolicy: v1.TerminationMessagePolicy(annotations[annotationMessagePolicy]),
	}
	if n, err := strconv.ParseInt(annotations[annotationPodGrace], 10, 64); err == nil {
		pod.Spec.TerminationGracePeriodSeconds = &n
	}
	var handler v1.LifecycleHandler
	if raw := annotations[annotationPreStop]; raw != "" && json.Unmarshal([]byte(raw), &handler) == nil {
		container.Lifecycle = &v1.Lifecycle{PreStop: &handler}
	}
	var ports []v1.ContainerPort
	if raw := annotations[annotationContainerPorts]; raw != "" && json.Unmarshal([]byte(raw), &ports) == nil {
		container.Ports = ports
	}
	return pod, container
}
