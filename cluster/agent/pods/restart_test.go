package pods

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	fakeruntime "noriter.dev/noriter/cluster/agent/runtime/fake"
)

func TestCrashLoop(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		b.runtime.ExitOnStart["main"] = slices.Repeat([]int32{1}, 20)
		start := time.Now()
		b.create(newPod())
		// The first restart is immediate; then 10 s, 20 s, 40 s … after each end.
		pod := b.pod()
		c := container(pod, "main")
		if c.State.Waiting == nil || c.State.Waiting.Reason != "CrashLoopBackOff" || c.RestartCount != 1 ||
			c.State.Waiting.Message != "back-off 10s restarting failed container=main pod=web_default(u1)" {
			t.Fatalf("after the first restart: %+v", c)
		}
		if c.LastTerminationState.Terminated == nil || c.LastTerminationState.Terminated.ExitCode != 1 {
			t.Errorf("lastState %+v", c.LastTerminationState)
		}
		if pod.Status.Phase != v1.PodRunning {
			t.Errorf("phase %s: a pod whose containers will run again is Running", pod.Status.Phase)
		}
		if got := condition(pod, v1.PodReady); got != "False ContainersNotReady containers with unready status: [main]" {
			t.Errorf("Ready: %s", got)
		}
		b.wantEvent("BackOff Back-off restarting failed container main in pod web_default(u1)")
		restarts := int32(1)
		for _, delay := range []int{10, 20, 40, 80, 160, 300, 300} {
			after(time.Duration(delay)*time.Second - time.Second)
			if got := container(b.pod(), "main").RestartCount; got != restarts {
				t.Fatalf("%v: %d restarts before the back-off of %d s was over, want %d", time.Since(start), got, delay, restarts)
			}
			after(time.Second)
			restarts++
			if got := container(b.pod(), "main").RestartCount; got != restarts {
				t.Fatalf("%v: %d restarts after a back-off of %d s, want %d", time.Since(start), got, delay, restarts)
			}
		}
		b.wantContainers("main/7 CONTAINER_EXITED", "main/8 CONTAINER_EXITED")
	})
}

func TestCrashLoopForgivenAfterTenMinutes(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		b.runtime.ExitOnStart["main"] = []int32{1, 1} // then it runs
		b.create(newPod())
		after(11 * time.Second)
		if c := container(b.pod(), "main"); c.State.Running == nil || c.RestartCount != 2 {
			t.Fatalf("%+v", c)
		}
		after(10*time.Minute + time.Second)
		b.runtime.Exit("main", 1)
		synctest.Wait()
		if c := container(b.pod(), "main"); c.State.Running == nil || c.RestartCount != 3 {
			t.Errorf("a container that ran for ten minutes is restarted at once, but: %+v", c)
		}
	})
}

func TestSidecar(t *testing.T) {
	always := v1.ContainerRestartPolicyAlways
	inBench(t, func(t *testing.T, b *bench) {
		sidecar := newContainer("proxy")
		sidecar.RestartPolicy = &always
		b.create(newPod(func(p *v1.Pod) {
			p.Spec.InitContainers = []v1.Container{sidecar, newContainer("setup")}
			p.Spec.RestartPolicy = v1.RestartPolicyNever
		}))
		b.wantContainers("proxy/0 CONTAINER_RUNNING", "setup/0 CONTAINER_RUNNING")
		b.runtime.Exit("setup", 0)
		synctest.Wait()
		b.wantContainers("main/0 CONTAINER_RUNNING", "proxy/0 CONTAINER_RUNNING", "setup/0 CONTAINER_EXITED")
		b.runtime.Exit("proxy", 1) // restarted although the pod's policy is Never
		synctest.Wait()
		if c := container(b.pod(), "proxy"); c.RestartCount != 1 || c.State.Running == nil {
			t.Errorf("%+v", c)
		}
		after(time.Second)
		b.runtime.Exit("main", 0) // the pod is done; the sidecar doesn't hold it
		synctest.Wait()
		if pod := b.pod(); pod.Status.Phase != v1.PodSucceeded {
			t.Errorf("phase %s: %+v", pod.Status.Phase, pod.Status.ContainerStatuses)
		}
		calls := b.runtime.Calls()
		if !slices.Contains(calls, "StopContainer proxy 30") {
			t.Errorf("the sidecar was not stopped: %q", calls)
		}
	})
}

func TestRestartPolicies(t *testing.T) {
	for _, tc := range []struct {
		policy v1.RestartPolicy
		code   int32
		phase  v1.PodPhase
		count  int32
	}{
		{v1.RestartPolicyNever, 0, v1.PodSucceeded, 0},
		{v1.RestartPolicyNever, 1, v1.PodFailed, 0},
		{v1.RestartPolicyOnFailure, 0, v1.PodSucceeded, 0},
		{v1.RestartPolicyOnFailure, 1, v1.PodRunning, 1},
		{v1.RestartPolicyAlways, 0, v1.PodRunning, 1},
	} {
		inBench(t, func(t *testing.T, b *bench) {
			b.runtime.ExitOnStart["main"] = []int32{tc.code}
			b.create(newPod(func(p *v1.Pod) { p.Spec.RestartPolicy = tc.policy }))
			pod := b.pod()
			if got := container(pod, "main").RestartCount; pod.Status.Phase != tc.phase || got != tc.count {
				t.Errorf("%s, exit %d: %s with %d restarts, want %s with %d", tc.policy, tc.code, pod.Status.Phase, got, tc.phase, tc.count)
			}
		})
	}
}

func TestAdoptAfterRestart(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		b.runtime.ExitOnStart["main"] = []int32{1} // so that there is a history to keep
		b.create(newPod())
		before, calls := b.pod(), len(b.runtime.Calls())
		b.down()
		b.up()
		after(time.Minute)
		if got := b.runtime.Calls(); len(got) != calls {
			t.Errorf("the new agent touched something: %q", got[calls:])
		}
		now := b.pod()
		if a, z := container(before, "main"), container(now, "main"); a.ContainerID != z.ContainerID || a.RestartCount != z.RestartCount || !z.Ready {
			t.Errorf("before %+v\nafter  %+v", a, z)
		}
		if before.ResourceVersion != now.ResourceVersion {
			t.Error("the status was written again though nothing changed")
		}
	})
}

func TestOrphansAreStopped(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		b.create(newPod())
		b.down()
		zero := int64(0)
		if err := b.client.CoreV1().Pods("default").Delete(t.Context(), "web", metav1.DeleteOptions{GracePeriodSeconds: &zero}); err != nil {
			t.Fatal(err)
		}
		b.up()
		after(5 * time.Second)
		b.wantContainers()
	})
}

func TestSandboxLost(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		b.create(newPod())
		b.runtime.KillSandboxes()
		after(3 * time.Second)
		pod := b.pod()
		if c := container(pod, "main"); c.State.Running == nil || c.RestartCount != 1 || pod.Status.Phase != v1.PodRunning {
			t.Errorf("%s %+v", pod.Status.Phase, c)
		}
		b.wantEvent("SandboxChanged Pod sandbox changed, it will be killed and re-created.")
	})
}

func TestProbes(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		exec := func(word string, failures int32) *v1.Probe {
			return &v1.Probe{ProbeHandler: v1.ProbeHandler{Exec: &v1.ExecAction{Command: []string{word}}},
				TimeoutSeconds: 1, PeriodSeconds: 5, SuccessThreshold: 1, FailureThreshold: failures}
		}
		b.runtime.ExecResult["ready"] = fakeruntime.ExitError(1)
		b.create(newPod(func(p *v1.Pod) {
			p.Spec.Containers[0].ReadinessProbe = exec("ready", 3)
			p.Spec.Containers[0].LivenessProbe = exec("alive", 3)
		}))
		after(6 * time.Second)
		if pod := b.pod(); container(pod, "main").Ready || condition(pod, v1.PodReady) != "False ContainersNotReady containers with unready status: [main]" {
			t.Fatal("ready though its probe fails")
		}
		b.wantEvent("Unhealthy Readiness probe failed: out")
		b.runtime.Set(func() { delete(b.runtime.ExecResult, "ready") })
		after(5 * time.Second)
		if !container(b.pod(), "main").Ready {
			t.Error("not ready though its probe succeeds")
		}
		b.runtime.Set(func() { b.runtime.ExecResult["alive"] = fakeruntime.ExitError(1) })
		after(16 * time.Second)
		events := b.reasons()
		if !slices.Contains(events, "Killing Container main failed liveness probe, will be restarted") {
			t.Errorf("%q", events)
		}
		if c := container(b.pod(), "main"); c.RestartCount != 1 {
			t.Errorf("%+v", c)
		}
	})
}

func TestStartupProbeHoldsTheOthers(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		b.runtime.ExecResult["started"] = fakeruntime.ExitError(1)
		b.create(newPod(func(p *v1.Pod) {
			p.Spec.Containers[0].StartupProbe = &v1.Probe{ProbeHandler: v1.ProbeHandler{Exec: &v1.ExecAction{Command: []string{"started"}}},
				TimeoutSeconds: 1, PeriodSeconds: 2, SuccessThreshold: 1, FailureThreshold: 10}
			p.Spec.Containers[0].LivenessProbe = &v1.Probe{ProbeHandler: v1.ProbeHandler{Exec: &v1.ExecAction{Command: []string{"alive"}}},
				TimeoutSeconds: 1, PeriodSeconds: 1, SuccessThreshold: 1, FailureThreshold: 1}
		}))
		after(10 * time.Second)
		if c := container(b.pod(), "main"); c.Started == nil || *c.Started || c.Ready {
			t.Errorf("%+v", c)
		}
		for _, call := range b.runtime.Calls() {
			if strings.Contains(call, "[alive]") {
				t.Fatal("liveness probed before the container had started")
			}
		}
		b.runtime.Set(func() { delete(b.runtime.ExecResult, "started") })
		after(3 * time.Second)
		if c := container(b.pod(), "main"); !*c.Started || !c.Ready {
			t.Errorf("%+v", c)
		}
	})
}

func TestLeftoversOfPodsLongGoneAreSwept(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		b.create(newPod())
		b.down()
		gone := []string{b.node.PodDir("u2"), b.node.PodLogDir("default", "old", "u2"), b.node.PodLogDir("default", "older", "u3")}
		for _, dir := range gone {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		b.up()
		for _, dir := range gone {
			if _, err := os.Stat(dir); !os.IsNotExist(err) {
				t.Errorf("%s is still there", dir)
			}
		}
		if _, err := os.Stat(b.node.PodDir("u1")); err != nil {
			t.Errorf("the directory of a living pod: %v", err)
		}
	})
}
