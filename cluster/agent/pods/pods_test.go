package pods

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/pull"
	fakeruntime "noriter.dev/noriter/cluster/agent/runtime/fake"
	"noriter.dev/noriter/cluster/agent/status"
)

// bench is an agent on a fake runtime and a fake API. It lives in a synctest bubble,
// so that minutes of back-off pass in no time and to the nanosecond.
type bench struct {
	t       *testing.T
	client  *fake.Clientset
	runtime *fakeruntime.Runtime
	volumes *fakeVolumes
	events  *record.FakeRecorder
	node    *podspec.Node
	manager *Manager
	stop    context.CancelFunc
	wg      sync.WaitGroup
}

type fakeVolumes struct {
	mu       sync.Mutex
	err      error
	tornDown []types.UID
}

func (f *fakeVolumes) SetUp(context.Context, *v1.Pod) (map[string]podspec.Volume, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return nil, f.err
}

func (f *fakeVolumes) SubPath(types.UID, string, int, string, podspec.Volume, string) (string, error) {
	return "/sub", nil
}

func (f *fakeVolumes) TearDown(_ context.Context, uid types.UID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tornDown = append(f.tornDown, uid)
	return nil
}

func (f *fakeVolumes) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

type noObjects struct{}

func (noObjects) ConfigMap(_ context.Context, _, name string) (*v1.ConfigMap, error) {
	return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "configmaps"}, name)
}
func (noObjects) Secret(_ context.Context, _, name string) (*v1.Secret, error) {
	return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, name)
}
func (noObjects) Services() ([]*v1.Service, error) { return nil, nil }

// inBench runs a test with an agent that is up.
func inBench(t *testing.T, test func(t *testing.T, b *bench)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{
			t: t, client: fake.NewClientset(), runtime: fakeruntime.New("busybox:latest"), volumes: &fakeVolumes{},
			events: record.NewFakeRecorder(1000),
			node:   &podspec.Node{RootDir: dir + "/kubelet", LogDir: dir + "/logs", ClusterDNS: []string{"10.96.0.10"}, ClusterDomain: "cluster.local", MemoryBytes: 1 << 30},
		}
		b.up()
		defer b.down()
		test(t, b)
	})
}

// up starts an agent; down ends it and leaves the runtime as it is.
func (b *bench) up() {
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	statuses := status.NewManager(b.client.CoreV1())
	b.manager = New(Config{
		Node: b.node, HostIPs: func() []string { return []string{"10.77.0.11"} },
		Allocatable: func() v1.ResourceList { return nil },
		Runtime:     b.runtime, Images: pull.NewManager(b.runtime, b.events, clock.RealClock{}),
		Statuses: statuses, Volumes: b.volumes, Objects: noObjects{}, Events: b.events, Clock: clock.RealClock{},
	})
	b.wg.Go(func() { statuses.Run(ctx) })
	b.wg.Go(func() { b.manager.Run(ctx) })
	pods, err := b.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	for i := range pods.Items {
		b.manager.Update(&pods.Items[i])
	}
	synctest.Wait() // Run has set its context
	b.manager.Synced(ctx)
	changes, err := b.client.CoreV1().Pods("").Watch(ctx, metav1.ListOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	b.wg.Go(func() {
		defer changes.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case e := <-changes.ResultChan():
				pod := e.Object.(*v1.Pod)
				if e.Type == watch.Deleted {
					b.manager.Delete(pod)
				} else {
					b.manager.Update(pod)
				}
			}
		}
	})
	synctest.Wait()
}

func (b *bench) down() {
	b.stop()
	b.wg.Wait()
}

// create gives the API a pod and lets the agent do what it does at once.
func (b *bench) create(pod *v1.Pod) {
	b.t.Helper()
	if _, err := b.client.CoreV1().Pods(pod.Namespace).Create(b.t.Context(), pod, metav1.CreateOptions{}); err != nil {
		b.t.Fatal(err)
	}
	synctest.Wait()
}

// pod is the pod as the API has it, nil if it has it no more.
func (b *bench) pod() *v1.Pod {
	b.t.Helper()
	pod, err := b.client.CoreV1().Pods("default").Get(b.t.Context(), "web", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return pod
}

// remove does what the API server does on `kubectl delete pod`.
func (b *bench) remove(grace int64) {
	b.t.Helper()
	pod := b.pod()
	now := metav1.Now()
	pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &now, &grace
	if _, err := b.client.CoreV1().Pods("default").Update(b.t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		b.t.Fatal(err)
	}
	synctest.Wait()
}

func after(d time.Duration) { time.Sleep(d); synctest.Wait() }

// reasons are the events so far as "Reason message".
func (b *bench) reasons() []string {
	var out []string
	for {
		select {
		case e := <-b.events.Events:
			_, rest, _ := strings.Cut(e, " ")
			out = append(out, rest)
		default:
			return out
		}
	}
}

func (b *bench) wantCalls(want ...string) {
	b.t.Helper()
	if got := b.runtime.Calls(); !slices.Equal(got, want) {
		b.t.Errorf("the runtime was asked\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func (b *bench) wantContainers(want ...string) {
	b.t.Helper()
	if got := b.runtime.Containers(); !slices.Equal(got, want) {
		b.t.Errorf("containers %q, want %q", got, want)
	}
}

func (b *bench) wantEvent(want string) {
	b.t.Helper()
	got := b.reasons()
	if !slices.Contains(got, want) {
		b.t.Errorf("no event %q among\n\t%s", want, strings.Join(got, "\n\t"))
	}
}

// newPod is a pod "web" with one container "main", changed by the options.
func newPod(change ...func(*v1.Pod)) *v1.Pod {
	grace := int64(30)
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default", UID: "u1", Generation: 1},
		Spec: v1.PodSpec{
			RestartPolicy: v1.RestartPolicyAlways, TerminationGracePeriodSeconds: &grace,
			Containers: []v1.Container{newContainer("main")},
		},
		Status: v1.PodStatus{Phase: v1.PodPending},
	}
	for _, f := range change {
		f(pod)
	}
	return pod
}

func newContainer(name string) v1.Container {
	return v1.Container{Name: name, Image: "busybox", ImagePullPolicy: v1.PullIfNotPresent, TerminationMessagePath: "/dev/termination-log"}
}

func container(pod *v1.Pod, name string) v1.ContainerStatus {
	for _, list := range [][]v1.ContainerStatus{pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses} {
		for _, c := range list {
			if c.Name == name {
				return c
			}
		}
	}
	return v1.ContainerStatus{}
}

func condition(pod *v1.Pod, kind v1.PodConditionType) string {
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return strings.TrimSpace(fmt.Sprintf("%s %s %s", c.Status, c.Reason, c.Message))
		}
	}
	return "missing"
}

func TestStart(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		b.create(newPod())
		b.wantCalls("RunPodSandbox web/0", "CreateContainer main/0", "StartContainer main/0")
		pod := b.pod()
		if pod.Status.Phase != v1.PodRunning || pod.Status.PodIP == "" || pod.Status.HostIP != "10.77.0.11" || pod.Status.StartTime == nil {
			t.Errorf("status %+v", pod.Status)
		}
		c := container(pod, "main")
		if !c.Ready || c.Started == nil || !*c.Started || c.ContainerID != "containerd://container2" || c.ImageID != "sha256:busybox:latest" {
			t.Errorf("container %+v", c)
		}
		for _, kind := range []v1.PodConditionType{v1.PodReadyToStartContainers, v1.PodInitialized, v1.PodReady, v1.ContainersReady, v1.PodScheduled} {
			if got := condition(pod, kind); got != "True" {
				t.Errorf("%s: %s", kind, got)
			}
		}
		want := []string{
			`Pulled Container image "busybox" already present on machine and can be accessed by the pod`,
			"Created Container created", "Started Container started",
		}
		if got := b.reasons(); !slices.Equal(got, want) {
			t.Errorf("events %q, want %q", got, want)
		}
	})
}

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

func TestImageBackOff(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		b.create(newPod(func(p *v1.Pod) { p.Spec.Containers[0].Image = "nope:v1" }))
		waiting := func() string {
			t.Helper()
			w := container(b.pod(), "main").State.Waiting
			if w == nil {
				return "not waiting"
			}
			return w.Reason
		}
		if got := waiting(); got != "ErrImagePull" {
			t.Errorf("at first %s", got)
		}
		after(3 * time.Second)
		if got := waiting(); got != "ImagePullBackOff" {
			t.Errorf("then %s", got)
		}
		w := container(b.pod(), "main").State.Waiting
		if want := `Back-off pulling image "nope:v1": ErrImagePull: `; !strings.HasPrefix(w.Message, want) {
			t.Errorf("message %q", w.Message)
		}
		pulls := func() int { return len(b.runtime.Calls()) - 1 } // the first call is the sandbox
		if pulls() != 1 {
			t.Fatalf("%d pulls", pulls())
		}
		after(7 * time.Second) // 10 s after the first
		if pulls() != 2 {
			t.Errorf("%d pulls after 10 s", pulls())
		}
		after(19 * time.Second)
		if pulls() != 2 {
			t.Errorf("%d pulls before 30 s", pulls())
		}
		b.runtime.Set(func() { b.runtime.Pullable["nope:v1"] = true })
		after(time.Second)
		if c := container(b.pod(), "main"); c.State.Running == nil {
			t.Errorf("the image is there, but %+v", c.State)
		}
		events := b.reasons()
		for _, want := range []string{`Pulling Pulling image "nope:v1"`, "Failed Error: ErrImagePull", "Failed Error: ImagePullBackOff", `BackOff Back-off pulling image "nope:v1"`} {
			if !slices.Contains(events, want) {
				t.Errorf("no event %q among %q", want, events)
			}
		}
		if last := events[len(events)-3]; !strings.HasPrefix(last, `Pulled Successfully pulled image "nope:v1" in `) || !strings.HasSuffix(last, "Image size: 4096 bytes.") {
			t.Errorf("%q", last)
		}
	})
}

func TestImageNeverAndInvalid(t *testing.T) {
	for image, want := range map[string]string{"absent": "ErrImageNeverPull", "Not/Valid:::": "InvalidImageName"} {
		inBench(t, func(t *testing.T, b *bench) {
			b.create(newPod(func(p *v1.Pod) {
				p.Spec.Containers[0].Image, p.Spec.Containers[0].ImagePullPolicy = image, v1.PullNever
			}))
			if w := container(b.pod(), "main").State.Waiting; w == nil || w.Reason != want {
				t.Errorf("%s: %+v", image, w)
			}
			b.wantEvent("Failed Error: " + want)
		})
	}
}

func TestMendedImageStartsAtOnce(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		b.create(newPod(func(p *v1.Pod) { p.Spec.Containers[0].Image = "typo" }))
		after(time.Minute)
		pod := b.pod()
		pod.Spec.Containers[0].Image, pod.Generation = "busybox", 2
		if _, err := b.client.CoreV1().Pods("default").Update(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if c := container(b.pod(), "main"); c.State.Running == nil {
			t.Errorf("%+v", c.State)
		}
	})
}

func TestInitContainersInOrder(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		b.create(newPod(func(p *v1.Pod) { p.Spec.InitContainers = []v1.Container{newContainer("one"), newContainer("two")} }))
		b.wantCalls("RunPodSandbox web/0", "CreateContainer one/0", "StartContainer one/0")
		pod := b.pod()
		if pod.Status.Phase != v1.PodPending || container(pod, "main").State.Waiting.Reason != "PodInitializing" {
			t.Errorf("%+v", pod.Status)
		}
		if got := condition(pod, v1.PodInitialized); got != "False ContainersNotInitialized containers with incomplete status: [one two]" {
			t.Errorf("Initialized: %s", got)
		}
		b.runtime.Exit("one", 0)
		synctest.Wait()
		b.runtime.Exit("two", 0)
		synctest.Wait()
		b.wantCalls("RunPodSandbox web/0", "CreateContainer one/0", "StartContainer one/0", "CreateContainer two/0",
			"StartContainer two/0", "CreateContainer main/0", "StartContainer main/0")
		if pod := b.pod(); pod.Status.Phase != v1.PodRunning || !container(pod, "one").Ready || condition(pod, v1.PodInitialized) != "True" {
			t.Errorf("%+v", pod.Status)
		}
	})
}

func TestInitContainerFailsForGood(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		b.runtime.ExitOnStart["one"] = []int32{3}
		b.create(newPod(func(p *v1.Pod) {
			p.Spec.InitContainers = []v1.Container{newContainer("one")}
			p.Spec.RestartPolicy = v1.RestartPolicyNever
		}))
		if pod := b.pod(); pod.Status.Phase != v1.PodFailed || condition(pod, v1.PodReady) != "False PodFailed" {
			t.Errorf("%+v", pod.Status)
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

func TestPostStartFailureRestarts(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		b.runtime.ExecResult["hook"] = fakeruntime.ExitError(1)
		b.create(newPod(func(p *v1.Pod) {
			p.Spec.Containers[0].Lifecycle = &v1.Lifecycle{PostStart: &v1.LifecycleHandler{Exec: &v1.ExecAction{Command: []string{"hook"}}}}
		}))
		events := b.reasons()
		for _, want := range []string{"FailedPostStartHook PostStartHook failed", "Killing FailedPostStartHook"} {
			if !slices.Contains(events, want) {
				t.Errorf("no event %q among %q", want, events)
			}
		}
		if c := container(b.pod(), "main"); c.RestartCount == 0 {
			t.Errorf("%+v", c)
		}
	})
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

func TestSandboxFails(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		b.runtime.Fail["RunPodSandbox"] = errors.New("no network")
		b.create(newPod())
		b.wantEvent("FailedCreatePodSandBox Failed to create pod sandbox: no network")
		if pod := b.pod(); pod.Status.Phase != v1.PodPending || condition(pod, v1.PodReadyToStartContainers) != "False PodSandboxNotReady no pod sandbox exists" {
			t.Errorf("%+v", pod.Status)
		}
		b.runtime.Set(func() { delete(b.runtime.Fail, "RunPodSandbox") })
		after(2 * time.Second)
		if pod := b.pod(); pod.Status.Phase != v1.PodRunning {
			t.Errorf("%+v", pod.Status)
		}
	})
}

func TestVolumesFirst(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		b.volumes.fail(errors.Join(errors.New(`MountVolume.SetUp failed for volume "a" : no`), errors.New(`MountVolume.SetUp failed for volume "b" : no`)))
		b.create(newPod())
		b.wantCalls()
		events := b.reasons()
		if len(events) != 2 || events[0] != `FailedMount MountVolume.SetUp failed for volume "a" : no` {
			t.Errorf("%q", events)
		}
		b.volumes.fail(nil)
		after(500 * time.Millisecond)
		if pod := b.pod(); pod.Status.Phase != v1.PodRunning {
			t.Errorf("%+v", pod.Status)
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

func TestMissingConfigMap(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		b.create(newPod(func(p *v1.Pod) {
			p.Spec.Containers[0].EnvFrom = []v1.EnvFromSource{{ConfigMapRef: &v1.ConfigMapEnvSource{LocalObjectReference: v1.LocalObjectReference{Name: "settings"}}}}
		}))
		w := container(b.pod(), "main").State.Waiting
		if w == nil || w.Reason != "CreateContainerConfigError" || w.Message != `configmaps "settings" not found` {
			t.Errorf("%+v", w)
		}
		b.wantEvent(`Failed Error: configmaps "settings" not found`)
	})
}

func TestStartError(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		b.runtime.Fail["StartContainer"] = errors.New(`exec: "nope": executable file not found in $PATH`)
		b.create(newPod())
		after(time.Second)
		c := container(b.pod(), "main")
		if c.State.Waiting == nil || c.State.Waiting.Reason != "CrashLoopBackOff" || c.LastTerminationState.Terminated.Reason != "StartError" {
			t.Errorf("%+v", c)
		}
		b.wantEvent(`Failed Error: exec: "nope": executable file not found in $PATH`)
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
