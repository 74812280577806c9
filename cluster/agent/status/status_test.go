package status

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"noriter.dev/noriter/cluster/agent/runtime"
	"noriter.dev/noriter/cluster/conditions"
)

var always = v1.ContainerRestartPolicyAlways

// spec is a pod "i" (init), "s" (sidecar), "m" and "n" (main), as far as named.
func spec(policy v1.RestartPolicy, names string) *v1.Pod {
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default", UID: "u", Generation: 3}, Spec: v1.PodSpec{RestartPolicy: policy}}
	for _, n := range names {
		c := v1.Container{Name: string(n), Image: "busybox"}
		switch n {
		case 's':
			c.RestartPolicy = &always
			pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
		case 'i':
			pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
		default:
			pod.Spec.Containers = append(pod.Spec.Containers, c)
		}
	}
	return pod
}

// state reads "run", "wait", "exit0", "exit1" or "back1", which waits after an exit 1.
func state(text string) (s, last v1.ContainerState) {
	switch text {
	case "run":
		s.Running = &v1.ContainerStateRunning{}
	case "wait":
		s.Waiting = &v1.ContainerStateWaiting{}
	case "back1":
		s.Waiting = &v1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}
		last.Terminated = &v1.ContainerStateTerminated{ExitCode: 1}
	case "exit0":
		s.Terminated = &v1.ContainerStateTerminated{}
	case "exit1":
		s.Terminated = &v1.ContainerStateTerminated{ExitCode: 1}
	}
	return s, last
}

func TestPhase(t *testing.T) {
	const (
		always    = v1.RestartPolicyAlways
		onFailure = v1.RestartPolicyOnFailure
		never     = v1.RestartPolicyNever
	)
	for _, tc := range []struct {
		policy   v1.RestartPolicy
		states   string // "m=run n=exit0"
		terminal bool
		inited   bool
		want     v1.PodPhase
	}{
		{always, "m=", false, false, v1.PodPending},
		{always, "m=wait", false, false, v1.PodPending},
		{always, "m=run", false, true, v1.PodRunning},
		{always, "m=run n=wait", false, true, v1.PodPending},
		{always, "m=run n=back1", false, true, v1.PodRunning},
		{always, "m=exit0", false, true, v1.PodRunning},
		{always, "m=back1", false, true, v1.PodRunning},
		{onFailure, "m=exit0", false, true, v1.PodSucceeded},
		{onFailure, "m=exit1", false, true, v1.PodRunning},
		{onFailure, "m=exit0 n=exit1", false, true, v1.PodRunning},
		{never, "m=exit0", false, true, v1.PodSucceeded},
		{never, "m=exit1", false, true, v1.PodFailed},
		{never, "m=exit0 n=exit1", false, true, v1.PodFailed},
		{never, "m=exit0 n=run", false, true, v1.PodRunning},
		{always, "m=exit0", true, true, v1.PodSucceeded}, // deleted: nothing runs again
		{always, "m=exit1", true, true, v1.PodFailed},
		{never, "i=exit1 m=wait", false, false, v1.PodFailed},
		{always, "i=exit1 m=wait", false, false, v1.PodPending},
		{always, "i=run m=wait", false, false, v1.PodPending},
		{always, "i=exit0 m=run", false, true, v1.PodRunning},
		{always, "s=wait m=wait", false, false, v1.PodPending},
		{never, "s=run m=exit0", false, true, v1.PodRunning},
		{never, "s=exit0 m=exit0", false, true, v1.PodSucceeded},
		{never, "s=exit1 m=exit0", false, true, v1.PodSucceeded},
	} {
		var names string
		var statuses []v1.ContainerStatus
		for _, pair := range strings.Fields(tc.states) {
			name, text, _ := strings.Cut(pair, "=")
			names += name
			if text == "" {
				continue
			}
			s, last := state(text)
			statuses = append(statuses, v1.ContainerStatus{Name: name, State: s, LastTerminationState: last})
		}
		if got := getPhase(spec(tc.policy, names), statuses, tc.terminal, tc.inited); got != tc.want {
			t.Errorf("%s, %s, terminal %v: %s, want %s", tc.policy, tc.states, tc.terminal, got, tc.want)
		}
	}
}

type probes struct{ started, ready bool }

func (p probes) Started(*v1.Pod, *v1.Container, *v1.ContainerStatus) bool { return p.started }
func (p probes) Ready(*v1.Pod, *v1.Container, *v1.ContainerStatus) bool   { return p.ready }

func sandbox(ip string) *cri.PodSandboxStatus {
	return &cri.PodSandboxStatus{Id: "s", Metadata: &cri.PodSandboxMetadata{}, Network: &cri.PodSandboxNetworkStatus{Ip: ip}}
}

func input(pod *v1.Pod, containers ...*runtime.Container) Input {
	for _, c := range containers {
		c.SandboxID = "s"
	}
	return Input{
		Pod: pod, Before: pod.Status, Probes: probes{true, true}, HostIPs: []string{"10.77.0.11"}, Now: time.Unix(1000, 5),
		Runtime: &runtime.Pod{Sandboxes: []*cri.PodSandboxStatus{sandbox("10.244.1.2")}, Containers: containers, IPs: []string{"10.244.1.2"}},
	}
}

func text(s v1.PodStatus, kind v1.PodConditionType) string {
	c := conditions.Pod(&s, kind)
	if c == nil {
		return "missing"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", c.Status, c.Reason, c.Message))
}

func TestConditions(t *testing.T) {
	running := func(name string) *runtime.Container {
		return &runtime.Container{ID: name, Name: name, State: runtime.Running, StartedAt: time.Unix(900, 0)}
	}
	exited := func(name string, code int32) *runtime.Container {
		return &runtime.Container{ID: name, Name: name, State: runtime.Exited, ExitCode: code, FinishedAt: time.Unix(950, 0)}
	}
	gated := spec(v1.RestartPolicyAlways, "m")
	gated.Spec.ReadinessGates = []v1.PodReadinessGate{{ConditionType: "lb"}}
	for _, tc := range []struct {
		name string
		in   Input
		want map[v1.PodConditionType]string
	}{
		{"running", input(spec(v1.RestartPolicyAlways, "m"), running("m")),
			map[v1.PodConditionType]string{v1.PodReady: "True", v1.ContainersReady: "True", v1.PodInitialized: "True", v1.PodReadyToStartContainers: "True", v1.PodScheduled: "True"}},
		{"one missing", input(spec(v1.RestartPolicyAlways, "mn"), running("m")),
			map[v1.PodConditionType]string{v1.PodReady: "False ContainersNotReady containers with unready status: [n]"}},
		{"succeeded", input(spec(v1.RestartPolicyNever, "im"), exited("i", 0), exited("m", 0)),
			map[v1.PodConditionType]string{v1.PodReady: "False PodCompleted", v1.ContainersReady: "False PodCompleted", v1.PodInitialized: "True PodCompleted"}},
		{"failed", input(spec(v1.RestartPolicyNever, "m"), exited("m", 1)),
			map[v1.PodConditionType]string{v1.PodReady: "False PodFailed", v1.ContainersReady: "False PodFailed"}},
		{"gate closed", input(gated, running("m")),
			map[v1.PodConditionType]string{v1.PodReady: `False ReadinessGatesNotReady corresponding condition of pod readiness gate "lb" does not exist.`, v1.ContainersReady: "True"}},
		{"initializing", input(spec(v1.RestartPolicyAlways, "im"), running("i")),
			map[v1.PodConditionType]string{v1.PodInitialized: "False ContainersNotInitialized containers with incomplete status: [i]"}},
	} {
		got := GenerateAPIPodStatus(tc.in)
		for kind, want := range tc.want {
			if have := text(got, kind); have != want {
				t.Errorf("%s: %s is %q, want %q", tc.name, kind, have, want)
			}
		}
		for _, c := range got.Conditions {
			if c.ObservedGeneration != 3 || !c.LastTransitionTime.Time.Equal(time.Unix(1000, 0)) {
				t.Errorf("%s: %+v", tc.name, c)
			}
		}
	}
}

func TestTransitionTimesAndForeignConditionsAreKept(t *testing.T) {
	pod := spec(v1.RestartPolicyAlways, "m")
	old := metav1.Unix(500, 0)
	pod.Status.Conditions = []v1.PodCondition{{Type: "lb", Status: "True"}, {Type: v1.PodScheduled, Status: "True", LastTransitionTime: old}}
	got := GenerateAPIPodStatus(input(pod))
	if c := conditions.Pod(&got, v1.PodScheduled); !c.LastTransitionTime.Equal(&old) {
		t.Errorf("%+v", c)
	}
	if conditions.Pod(&got, "lb") == nil {
		t.Error("someone else's condition is lost")
	}
}

func TestContainerStatuses(t *testing.T) {
	pod := spec(v1.RestartPolicyAlways, "m")
	newest := &runtime.Container{ID: "b", Name: "m", State: runtime.Exited, ExitCode: 2, Reason: "Error", Restarts: 1, StartedAt: time.Unix(10, 9), FinishedAt: time.Unix(20, 9), Image: "docker.io/library/busybox:latest", ImageRef: "busybox@sha256:1"}
	older := &runtime.Container{ID: "a", Name: "m", State: runtime.Exited, ExitCode: 1, Reason: "Error"}
	in := input(pod, newest, older)
	s := GenerateAPIPodStatus(in).ContainerStatuses[0]
	if s.State.Terminated == nil || s.State.Terminated.ExitCode != 2 || s.LastTerminationState.Terminated.ExitCode != 1 || s.RestartCount != 1 || s.ContainerID != "containerd://b" {
		t.Errorf("%+v", s)
	}
	in.Waiting = map[string]Waiting{"m": {"CrashLoopBackOff", "back-off"}}
	s = GenerateAPIPodStatus(in).ContainerStatuses[0]
	if s.State.Waiting == nil || s.State.Waiting.Reason != "CrashLoopBackOff" || s.LastTerminationState.Terminated.ExitCode != 2 {
		t.Errorf("%+v", s)
	}

	// It ran, and the runtime knows it no more.
	pod.Status.ContainerStatuses = []v1.ContainerStatus{{Name: "m", ContainerID: "containerd://x", RestartCount: 4, State: v1.ContainerState{Running: &v1.ContainerStateRunning{}}}}
	s = GenerateAPIPodStatus(input(pod)).ContainerStatuses[0]
	if s.State.Waiting == nil || s.LastTerminationState.Terminated == nil || s.LastTerminationState.Terminated.Reason != "ContainerStatusUnknown" || s.RestartCount != 5 {
		t.Errorf("%+v", s)
	}
	in = input(pod)
	in.Terminal = true
	if got := GenerateAPIPodStatus(in); got.Phase != v1.PodFailed || got.ContainerStatuses[0].State.Terminated.ExitCode != 137 {
		t.Errorf("%s %+v", got.Phase, got.ContainerStatuses[0])
	}
}

func TestPhaseNeverGoesBack(t *testing.T) {
	pod := spec(v1.RestartPolicyAlways, "m")
	pod.Status.Phase = v1.PodSucceeded
	running := &runtime.Container{ID: "m", Name: "m", State: runtime.Running}
	if got := GenerateAPIPodStatus(input(pod, running)); got.Phase != v1.PodSucceeded {
		t.Error(got.Phase)
	}
	in := input(spec(v1.RestartPolicyAlways, "m"), running)
	in.Override = v1.PodStatus{Phase: v1.PodFailed, Reason: "DeadlineExceeded", Message: "m"}
	if got := GenerateAPIPodStatus(in); got.Phase != v1.PodFailed || got.Reason != "DeadlineExceeded" {
		t.Errorf("%+v", got)
	}
}

func TestAddressOfAnEndedPodIsKept(t *testing.T) {
	pod := spec(v1.RestartPolicyNever, "m")
	pod.Status.PodIPs = []v1.PodIP{{IP: "10.244.1.9"}}
	in := input(pod, &runtime.Container{ID: "m", Name: "m", State: runtime.Exited})
	in.Runtime.IPs, in.Runtime.Sandboxes = nil, nil
	if got := GenerateAPIPodStatus(in); got.PodIP != "10.244.1.9" {
		t.Errorf("%q", got.PodIP)
	}
}

// inManager runs a test with a manager on a fake API that has the pod.
func inManager(t *testing.T, pod *v1.Pod, test func(m *Manager, client *fake.Clientset)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset(pod)
		m := NewManager(client.CoreV1())
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); m.Run(ctx) }()
		test(m, client)
		stop()
		<-done
	})
}

func get(t *testing.T, client *fake.Clientset) *v1.Pod {
	t.Helper()
	pod, err := client.CoreV1().Pods("default").Get(t.Context(), "web", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return pod
}

func TestOnlyChangesAreWritten(t *testing.T) {
	inManager(t, spec(v1.RestartPolicyAlways, "m"), func(m *Manager, client *fake.Clientset) {
		pod := get(t, client)
		running := &runtime.Container{ID: "m", Name: "m", State: runtime.Running, StartedAt: time.Now()}
		s := GenerateAPIPodStatus(input(pod, running))
		for range 3 {
			m.SetPodStatus(pod, s, true)
			synctest.Wait()
		}
		patches := 0
		for _, a := range client.Actions() {
			if p, ok := a.(clienttesting.PatchAction); ok {
				patches++
				var body map[string]any
				if err := json.Unmarshal(p.GetPatch(), &body); err != nil || body["metadata"].(map[string]any)["uid"] != "u" || a.GetSubresource() != "status" {
					t.Errorf("%s %v", p.GetPatch(), err)
				}
			}
		}
		if patches != 1 {
			t.Errorf("%d patches", patches)
		}
		if get(t, client).Status.Phase != v1.PodRunning {
			t.Error("not written")
		}
	})
}

func TestEndIsHeldBackWhileContainersRun(t *testing.T) {
	pod := spec(v1.RestartPolicyNever, "m")
	pod.Status.Phase = v1.PodRunning
	inManager(t, pod, func(m *Manager, client *fake.Clientset) {
		pod := get(t, client)
		s := GenerateAPIPodStatus(input(pod, &runtime.Container{ID: "m", Name: "m", State: runtime.Exited}))
		m.SetPodStatus(pod, s, true)
		synctest.Wait()
		if got := get(t, client).Status.Phase; got != v1.PodRunning {
			t.Error(got)
		}
		m.SetPodStatus(pod, s, false)
		synctest.Wait()
		if got := get(t, client).Status.Phase; got != v1.PodSucceeded {
			t.Error(got)
		}
	})
}

func TestRetriesAndDeletesWhatEnded(t *testing.T) {
	now := metav1.Now()
	pod := spec(v1.RestartPolicyNever, "m")
	pod.DeletionTimestamp = &now
	pod.Finalizers = []string{"a/b"}
	inManager(t, pod, func(m *Manager, client *fake.Clientset) {
		failures := 3
		client.PrependReactor("patch", "pods", func(clienttesting.Action) (bool, k8sruntime.Object, error) {
			failures--
			return failures >= 0, nil, apierrors.NewInternalError(fmt.Errorf("busy"))
		})
		pod := get(t, client)
		m.SetPodStatus(pod, GenerateAPIPodStatus(input(pod, &runtime.Container{ID: "m", Name: "m", State: runtime.Exited})), false)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := get(t, client).Status.Phase; got != v1.PodSucceeded {
			t.Errorf("%s: a failed write is tried again", got)
		}
		m.TerminatePod("u")
		synctest.Wait()
		for _, a := range client.Actions() {
			if d, ok := a.(clienttesting.DeleteActionImpl); ok {
				if *d.DeleteOptions.GracePeriodSeconds != 0 || *d.DeleteOptions.Preconditions.UID != "u" {
					t.Errorf("%+v", d.DeleteOptions)
				}
				return
			}
		}
		t.Error("not deleted")
	})
}

func TestNamesakeIsLeftAlone(t *testing.T) {
	inManager(t, spec(v1.RestartPolicyAlways, "m"), func(m *Manager, client *fake.Clientset) {
		tries := 0
		client.PrependReactor("patch", "pods", func(clienttesting.Action) (bool, k8sruntime.Object, error) {
			tries++
			wrong := field.ErrorList{field.Invalid(field.NewPath("metadata", "uid"), "u", "field is immutable")}
			return true, nil, apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "web", wrong)
		})
		m.SetPodStatus(get(t, client), GenerateAPIPodStatus(input(get(t, client))), true)
		time.Sleep(time.Minute)
		synctest.Wait()
		if tries != 1 {
			t.Errorf("%d tries to patch another pod", tries)
		}
	})
}
