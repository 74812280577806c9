package status

import (
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	resourcehelper "k8s.io/component-helpers/resource"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/runtime"
)

// Waiting is why a container could not be started: state.waiting of its status.
type Waiting struct {
	Reason  string
	Message string
}

// Probes tells what is known from probing a running container.
type Probes interface {
	// Started is false while a startup probe has not succeeded.
	Started(pod *v1.Pod, c *v1.Container, s *v1.ContainerStatus) bool
	// Ready is false while a readiness probe has not succeeded.
	Ready(pod *v1.Pod, c *v1.Container, s *v1.ContainerStatus) bool
}

// Input is all that a pod's status follows from.
type Input struct {
	Pod     *v1.Pod      // as the API has it
	Before  v1.PodStatus // the status generated last, or the API's
	Runtime *runtime.Pod
	Waiting map[string]Waiting // by container: why its last start failed
	Probes  Probes
	HostIPs []string
	// Stopping says that the pod is being stopped, or was: its sandbox goes away.
	Stopping bool
	// Terminal says that no container of the pod will be started again.
	Terminal bool
	// Override, if its phase is set, is the agent's own verdict on the pod, such as
	// Failed with reason DeadlineExceeded.
	Override v1.PodStatus
	Now      time.Time
}

// GenerateAPIPodStatus is the pod's status at this moment (generateAPIPodStatus in
// pkg/kubelet/kubelet_pods.go): what a user reads with `kubectl get pod -o yaml`. It
// follows from its input alone, so that every case can be tested without a runtime. Each
// part builds on those before it: the phase on the containers, the conditions on both.
func GenerateAPIPodStatus(in Input) v1.PodStatus {
	pod := in.Pod
	s := v1.PodStatus{
		ObservedGeneration: pod.Generation,
		QOSClass:           podspec.GetPodQOS(pod),
		StartTime:          in.Before.StartTime,
	}
	if s.StartTime.IsZero() {
		now := metav1.NewTime(in.Now)
		s.StartTime = &now
	}
	setResources(&s, pod)

	s.InitContainerStatuses = convertToAPIContainerStatuses(&in, pod.Spec.InitContainers, in.Before.InitContainerStatuses, true)
	s.ContainerStatuses = convertToAPIContainerStatuses(&in, pod.Spec.Containers, in.Before.ContainerStatuses, false)
	s.EphemeralContainerStatuses = convertToAPIContainerStatuses(&in, ephemeral(pod), in.Before.EphemeralContainerStatuses, false)
	setReadiness(&s, &in)
	if in.Terminal {
		terminateUnknown(&s, &in)
	}

	setPhase(&s, &in)
	setIPs(&s, &in)
	s.Conditions = generateConditions(pod, &s, in.Runtime)
	stampConditions(pod, &s, &in.Before, metav1.NewTime(in.Now))
	normalizeStatus(pod, &s)
	return s
}

func ephemeral(pod *v1.Pod) []v1.Container {
	var out []v1.Container
	for i := range pod.Spec.EphemeralContainers {
		out = append(out, v1.Container(pod.Spec.EphemeralContainers[i].EphemeralContainerCommon))
	}
	return out
}

// setIPs writes the pod's and the node's addresses. It keeps those of a pod that ended,
// though its sandbox is gone: whoever reads its logs may look for them.
func setIPs(s *v1.PodStatus, in *Input) {
	for _, ip := range in.Runtime.IPs {
		s.PodIPs = append(s.PodIPs, v1.PodIP{IP: ip})
	}
	if len(s.PodIPs) == 0 && (in.Stopping || IsPodPhaseTerminal(s.Phase)) {
		s.PodIPs = in.Before.PodIPs
	}
	if in.Pod.Spec.HostNetwork && len(in.HostIPs) > 0 {
		s.PodIPs = nil // its addresses are the node's
	}
	for _, ip := range in.HostIPs {
		s.HostIPs = append(s.HostIPs, v1.HostIP{IP: ip})
		if in.Pod.Spec.HostNetwork {
			s.PodIPs = append(s.PodIPs, v1.PodIP{IP: ip})
		}
	}
	if len(s.HostIPs) > 0 {
		s.HostIP = s.HostIPs[0].IP
	}
	if len(s.PodIPs) > 0 {
		s.PodIP = s.PodIPs[0].IP
	}
}

// setResources writes the pod-level sums (KEP-5419).
func setResources(s *v1.PodStatus, pod *v1.Pod) {
	s.Resources = &v1.ResourceRequirements{}
	if pod.Spec.Resources != nil {
		s.Resources = pod.Spec.Resources.DeepCopy()
	}
	s.Resources.Requests = resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{})
	s.Resources.Limits = resourcehelper.PodLimits(pod, resourcehelper.PodResourcesOptions{})
	s.AllocatedResources = s.Resources.Requests.DeepCopy()
}

// terminateUnknown ends every main container of which no end is known: nothing of the pod
// runs any more, so it must not look as if something were still to come (TerminatePod in
// pkg/kubelet/status/status_manager.go).
func terminateUnknown(s *v1.PodStatus, in *Input) {
	if len(in.Pod.Spec.InitContainers) > 0 && !anyMainContainer(in) {
		return // the pod never got to its main containers
	}
	for i := range s.ContainerStatuses {
		cs := &s.ContainerStatuses[i]
		if cs.State.Terminated == nil {
			cs.State = v1.ContainerState{Terminated: &v1.ContainerStateTerminated{
				Reason: containerStatusUnknown, ExitCode: exitKilled,
				Message: "The container could not be located when the pod was terminated",
			}}
		}
	}
}

// setPhase never leaves Succeeded or Failed again, and keeps the reason that goes
// with an unchanged phase. A Job counts a pod that ended once; one that came back to
// life would be counted twice.
func setPhase(s *v1.PodStatus, in *Input) {
	all := append(append([]v1.ContainerStatus(nil), s.ContainerStatuses...), s.InitContainerStatuses...)
	s.Phase = getPhase(in.Pod, all, in.Terminal, in.Runtime.Initialized(&in.Pod.Spec))
	for _, earlier := range []v1.PodStatus{in.Before, in.Pod.Status} {
		if IsPodPhaseTerminal(earlier.Phase) && (!IsPodPhaseTerminal(s.Phase) || earlier.Phase == in.Pod.Status.Phase) {
			s.Phase = earlier.Phase
		}
	}
	if in.Terminal && !IsPodPhaseTerminal(s.Phase) {
		// Containers that never started ran nothing to its end: the pod failed.
		s.Phase = v1.PodFailed
	}
	for _, earlier := range []v1.PodStatus{in.Pod.Status, in.Before} {
		if s.Phase == earlier.Phase && earlier.Reason+earlier.Message != "" {
			s.Reason, s.Message = earlier.Reason, earlier.Message
		}
	}
	if in.Override.Phase != "" && !IsPodPhaseTerminal(in.Pod.Status.Phase) {
		s.Phase, s.Reason, s.Message = in.Override.Phase, in.Override.Reason, in.Override.Message
	}
}

// maxMessages is how much text of all containers' termination messages a status holds, in
// bytes (kubecontainer.MaxPodTerminationMessageLogLength).
const maxMessages = 12 << 10

// normalizeStatus cuts times to what JSON carries, whole seconds, so that a status read
// back equals the one written, and messages to a size etcd can bear.
func normalizeStatus(pod *v1.Pod, s *v1.PodStatus) {
	start := s.StartTime.Rfc3339Copy() // a copy: the status before has the original
	s.StartTime = &start
	for i := range s.Conditions {
		c := &s.Conditions[i]
		c.LastProbeTime, c.LastTransitionTime = c.LastProbeTime.Rfc3339Copy(), c.LastTransitionTime.Rfc3339Copy()
	}
	n := len(pod.Spec.Containers) + len(pod.Spec.InitContainers) + len(pod.Spec.EphemeralContainers)
	limit := maxMessages / max(1, n)
	for _, list := range [][]v1.ContainerStatus{s.InitContainerStatuses, s.ContainerStatuses, s.EphemeralContainerStatuses} {
		for i := range list {
			normalizeContainerState(&list[i].State, limit)
			normalizeContainerState(&list[i].LastTerminationState, limit)
		}
	}
}

// normalizeContainerState does so for one state. It changes copies: the originals may
// belong to the status before.
func normalizeContainerState(s *v1.ContainerState, limit int) {
	if r := s.Running; r != nil {
		s.Running = &v1.ContainerStateRunning{StartedAt: r.StartedAt.Rfc3339Copy()}
	}
	if s.Terminated != nil {
		t := *s.Terminated
		t.StartedAt, t.FinishedAt = t.StartedAt.Rfc3339Copy(), t.FinishedAt.Rfc3339Copy()
		if len(t.Message) > limit {
			t.Message = t.Message[:limit]
		}
		s.Terminated = &t
	}
}
