package pods

import (
	"slices"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
)

func TestTermination(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		b.runtime.Stubborn["main"] = true
		b.create(newPod())
		b.remove(30)
		b.wantEvent("Killing Stopping container main")
		if pod := b.pod(); pod == nil || pod.Status.Phase != v1.PodRunning {
			t.Fatal("gone or ended before its grace was over")
		}
		after(29 * time.Second)
		b.wantContainers("main/0 CONTAINER_RUNNING")
		after(time.Second)
		if b.pod() != nil {
			t.Error("still in the API")
		}
		b.wantContainers()
		if len(b.volumes.tornDown) != 1 {
			t.Errorf("volumes torn down: %v", b.volumes.tornDown)
		}
		if pods := b.manager.List(); len(pods) != 0 {
			t.Errorf("the agent still has %d pods", len(pods))
		}
	})
}

func TestTerminationShortened(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		b.runtime.Stubborn["main"] = true
		b.create(newPod())
		b.remove(30)
		after(time.Second)
		b.remove(0) // --force: two seconds is the least
		after(1900 * time.Millisecond)
		b.wantContainers("main/0 CONTAINER_RUNNING")
		after(200 * time.Millisecond)
		b.wantContainers()
	})
}

func TestPreStopUsesUpTheGrace(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		b.runtime.ExecTime["bye"] = 8 * time.Second
		b.create(newPod(func(p *v1.Pod) {
			p.Spec.Containers[0].Lifecycle = &v1.Lifecycle{PreStop: &v1.LifecycleHandler{Exec: &v1.ExecAction{Command: []string{"bye"}}}}
		}))
		b.remove(30)
		after(9 * time.Second)
		if calls := b.runtime.Calls(); !slices.Contains(calls, "StopContainer main 22") {
			t.Errorf("%q", calls)
		}
	})
}

func TestSidecarsStopLast(t *testing.T) {
	always := v1.ContainerRestartPolicyAlways
	inBench(t, func(t *testing.T, b *bench) {
		first, second := newContainer("first"), newContainer("second")
		first.RestartPolicy, second.RestartPolicy = &always, &always
		b.create(newPod(func(p *v1.Pod) { p.Spec.InitContainers = []v1.Container{first, second} }))
		b.runtime.Set(func() { b.runtime.Stubborn["main"] = true })
		b.remove(10)
		after(11 * time.Second)
		var order []string
		for _, call := range b.runtime.Calls() {
			if strings.HasPrefix(call, "StopContainer") {
				order = append(order, strings.Fields(call)[1])
			}
		}
		if order[0] != "main" {
			t.Errorf("stopped in order %v", order)
		}
	})
}

func TestDeadline(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		limit := int64(20)
		b.create(newPod(func(p *v1.Pod) { p.Spec.ActiveDeadlineSeconds = &limit }))
		after(19 * time.Second)
		if pod := b.pod(); pod.Status.Phase != v1.PodRunning {
			t.Fatalf("%+v", pod.Status)
		}
		after(2 * time.Second)
		pod := b.pod()
		if pod.Status.Phase != v1.PodFailed || pod.Status.Reason != "DeadlineExceeded" {
			t.Errorf("%s %s %s", pod.Status.Phase, pod.Status.Reason, pod.Status.Message)
		}
	})
}

func TestDeleteWhilePulling(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		b.runtime.PullTime = time.Hour
		b.create(newPod(func(p *v1.Pod) { p.Spec.Containers[0].Image = "huge" }))
		b.remove(30)
		if b.pod() != nil {
			t.Error("the pod waits for a pull nobody wants any more")
		}
	})
}
