package pods

import (
	"context"
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

	"noriter.dev/noriter/cluster/agent/images"
	"noriter.dev/noriter/cluster/agent/podspec"
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
	manager *PodWorkers
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
		Runtime:     b.runtime, Images: images.NewManager(b.runtime, b.events, clock.RealClock{}),
		Statuses: statuses, Volumes: b.volumes, Objects: noObjects{}, Events: b.events, Clock: clock.RealClock{},
	})
	b.wg.Go(func() { statuses.Run(ctx) })
	b.wg.Go(func() { b.manager.Run(ctx) })
	pods, err := b.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	for i := range pods.Items {
		b.manager.UpdatePod(&pods.Items[i])
	}
	synctest.Wait() // Run has set its context
	b.manager.HandlePodCleanups(ctx)
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
					b.manager.RemovePod(pod)
				} else {
					b.manager.UpdatePod(pod)
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
	after(time.Second) // else the agent would wait until the container is older
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
