package runtime_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"noriter.dev/noriter/cluster/agent/runtime"
	"noriter.dev/noriter/cluster/agent/runtime/fake"
)

func makePod(t *testing.T, r *fake.Runtime, c v1.Container, mounts ...*cri.Mount) (*v1.Pod, string) {
	t.Helper()
	grace := int64(7)
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "u1", Labels: map[string]string{"app": "x"}}}
	pod.Spec.TerminationGracePeriodSeconds = &grace
	config := &cri.PodSandboxConfig{Metadata: &cri.PodSandboxMetadata{Name: "web", Uid: "u1"}, Labels: runtime.SandboxLabels(pod), LogDirectory: t.TempDir(),
		Linux: &cri.LinuxPodSandboxConfig{SecurityContext: &cri.LinuxSandboxSecurityContext{NamespaceOptions: &cri.NamespaceOption{}}}}
	sandbox, err := r.RunPodSandbox(t.Context(), config, "")
	if err != nil {
		t.Fatal(err)
	}
	annotations, err := runtime.ContainerAnnotations(pod, &c, 2)
	if err != nil {
		t.Fatal(err)
	}
	id, err := r.CreateContainer(t.Context(), sandbox, &cri.ContainerConfig{Metadata: &cri.ContainerMetadata{Name: c.Name, Attempt: 2},
		Image: &cri.ImageSpec{Image: "sha256:1", UserSpecifiedImage: c.Image}, Labels: runtime.ContainerLabels(pod, &c), Annotations: annotations, Mounts: mounts, LogPath: "2.log"}, config)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.StartContainer(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	return pod, config.LogDirectory + "/2.log"
}

func TestReadAndRestore(t *testing.T) {
	r := fake.New()
	c := v1.Container{Name: "main", Image: "busybox", Lifecycle: &v1.Lifecycle{PreStop: &v1.LifecycleHandler{Exec: &v1.ExecAction{Command: []string{"bye"}}}}}
	makePod(t, r, c)
	have, err := runtime.GetPodStatus(t.Context(), r, "u1")
	if err != nil {
		t.Fatal(err)
	}
	main := have.Active("main")
	if have.Name != "web" || len(have.IPs) != 1 || main == nil || main.State != runtime.Running || main.Restarts != 2 || main.Hash != runtime.HashContainer(&c) {
		t.Errorf("%+v %+v", have, main)
	}
	pod, restored := runtime.RestoreSpecs(main.Labels, main.Annotations)
	if pod.Namespace != "shop" || *pod.Spec.TerminationGracePeriodSeconds != 7 || restored.Lifecycle.PreStop.Exec.Command[0] != "bye" {
		t.Errorf("%+v %+v", pod, restored)
	}
	r.KillSandboxes()
	if have, err = runtime.GetPodStatus(t.Context(), r, "u1"); err != nil || have.Active("main") != nil || have.Newest("main") == nil || len(have.IPs) != 0 {
		t.Errorf("%+v %v", have, err)
	}
	changed := c
	changed.Image = "busybox:2"
	if runtime.HashContainer(&changed) == runtime.HashContainer(&c) {
		t.Error("another image is another container")
	}
}

func TestTerminationMessage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "message")
	log := "2026-01-01T00:00:00Z stdout F first\n2026-01-01T00:00:01Z stderr P half \n2026-01-01T00:00:01Z stderr F line\n"
	for _, tc := range []struct {
		policy v1.TerminationMessagePolicy
		text   string
		code   int32
		want   string
	}{
		{v1.TerminationMessageReadFile, "bye\n", 1, "bye\n"},
		{v1.TerminationMessageReadFile, strings.Repeat("x", 5000), 1, strings.Repeat("x", 4096)},
		{v1.TerminationMessageReadFile, "", 1, ""},
		{v1.TerminationMessageFallbackToLogsOnError, "", 1, "first\nhalf line\n"},
		{v1.TerminationMessageFallbackToLogsOnError, "", 0, ""},
		{v1.TerminationMessageFallbackToLogsOnError, "own", 1, "own"},
	} {
		if err := os.WriteFile(file, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		r := fake.New()
		c := v1.Container{Name: "main", TerminationMessagePath: "/dev/termination-log", TerminationMessagePolicy: tc.policy}
		_, logPath := makePod(t, r, c, &cri.Mount{HostPath: file, ContainerPath: "/dev/termination-log"})
		if err := os.WriteFile(logPath, []byte(log), 0o600); err != nil {
			t.Fatal(err)
		}
		r.Exit("main", tc.code)
		have, err := runtime.GetPodStatus(t.Context(), r, "u1")
		if err != nil {
			t.Fatal(err)
		}
		if got := have.Newest("main").Message; got != tc.want {
			t.Errorf("%s, exit %d: %q, want %q", tc.policy, tc.code, got, tc.want)
		}
	}
}

func TestWatch(t *testing.T) {
	r := fake.New()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []types.UID
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.Watch(ctx, r, func(uid types.UID) { mu.Lock(); told = append(told, uid); mu.Unlock() })
		}()
		synctest.Wait()
		count := func() int { mu.Lock(); defer mu.Unlock(); return len(told) }
		makePod(t, r, v1.Container{Name: "main"})
		synctest.Wait()
		if count() == 0 {
			t.Error("the event of a start did not arrive at once")
		}
		before := count()
		time.Sleep(5 * time.Second) // what no event tells of, relisting finds
		synctest.Wait()
		if count() == before {
			t.Error("relisting told nothing of the new sandbox")
		}
		before = count()
		time.Sleep(time.Minute)
		synctest.Wait()
		if count() != before {
			t.Error("told of changes where there were none")
		}
		stop()
		<-done
	})
}
