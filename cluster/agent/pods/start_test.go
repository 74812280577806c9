package pods

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	fakeruntime "noriter.dev/noriter/cluster/agent/runtime/fake"
)

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
		after(6900 * time.Millisecond) // not yet 10 s after the first
		if pulls() != 1 {
			t.Errorf("%d pulls before 10 s", pulls())
		}
		for range 80 { // the first look after the back-off is after 12 to 17 s
			if pulls() < 2 {
				after(100 * time.Millisecond)
			}
		}
		if got := waiting(); pulls() != 2 || got != "ErrImagePull" {
			t.Errorf("%d pulls, and then %s", pulls(), got)
		}
		after(15 * time.Second) // the next back-off is 20 s
		if got := waiting(); pulls() != 2 || got != "ImagePullBackOff" {
			t.Errorf("%d pulls 15 s later, and then %s", pulls(), got)
		}
		after(4800 * time.Millisecond)
		if pulls() != 2 {
			t.Errorf("%d pulls before the back-off ended", pulls())
		}
		b.runtime.Set(func() { b.runtime.Pullable["nope:v1"] = true })
		after(16 * time.Second)
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

// TestImageBackOffIsThePods: whoever mends what was wrong and makes the pod anew
// need not sit out minutes of back-off.
func TestImageBackOffIsThePods(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		pod := newPod(func(p *v1.Pod) { p.Spec.Containers[0].Image = "late:v1" })
		b.create(pod)
		after(10 * time.Minute) // the back-off is at its longest
		if n := strings.Count(strings.Join(b.reasons(), "\n"), "BackOff Back-off pulling image"); n < 30 || n > 60 {
			t.Errorf("%d looks during 10 minutes of back-off; each is an event, and kubelet looks every 10 to 15 s", n)
		}
		b.runtime.Set(func() { b.runtime.Pullable["late:v1"] = true })
		b.remove(0)
		after(time.Second)
		pod.UID = "u2"
		b.create(pod)
		if c := container(b.pod(), "main"); c.State.Running == nil {
			t.Errorf("%+v", c.State)
		}
	})
}

func TestMissingPullSecretIsToldOfWhenThePullFailed(t *testing.T) {
	inBench(t, func(t *testing.T, b *bench) {
		b.runtime.Pullable["open:v1"] = true
		for _, image := range []string{"open:v1", "closed:v1"} {
			pod := newPod(func(p *v1.Pod) {
				p.Name, p.UID = strings.TrimSuffix(image, ":v1"), types.UID(image)
				p.Spec.Containers[0].Image = image
				p.Spec.ImagePullSecrets = []v1.LocalObjectReference{{Name: "gone"}, {}}
			})
			b.create(pod)
			const event = "FailedToRetrieveImagePullSecret Unable to retrieve some image pull secrets (gone); attempting to pull the image may not succeed."
			if got := slices.Contains(b.reasons(), event); got != (image == "closed:v1") {
				t.Errorf("%s: the event is there: %v", image, got)
			}
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
