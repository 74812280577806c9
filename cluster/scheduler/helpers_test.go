package scheduler

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"noriter.dev/noriter/cluster/component/fakeapi"
)

type (
	podOption  = func(*v1.Pod)
	nodeOption = func(*v1.Node)
)

func testPod(name string, options ...podOption) *v1.Pod {
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-of-" + name)},
		Spec:       v1.PodSpec{SchedulerName: v1.DefaultSchedulerName, Containers: []v1.Container{{Name: "c", Image: "nginx"}}},
	}
	for _, option := range options {
		option(pod)
	}
	return pod
}

// testNode has 2 cores, 4 GiB, room for 10 pods, and its name as hostname label.
func testNode(name string, options ...nodeOption) *v1.Node {
	node := &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1.LabelHostname: name}},
		Status: v1.NodeStatus{Allocatable: v1.ResourceList{
			v1.ResourceCPU: resource.MustParse("2"), v1.ResourceMemory: resource.MustParse("4Gi"), v1.ResourcePods: resource.MustParse("10")}},
	}
	for _, option := range options {
		option(node)
	}
	return node
}

func requests(cpu, memory string) podOption {
	return func(p *v1.Pod) {
		p.Spec.Containers[0].Resources.Requests = v1.ResourceList{v1.ResourceCPU: resource.MustParse(cpu), v1.ResourceMemory: resource.MustParse(memory)}
	}
}

func on(node string) podOption { return func(p *v1.Pod) { p.Spec.NodeName = node } }

func podLabels(pairs ...string) podOption {
	return func(p *v1.Pod) {
		p.Labels = map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			p.Labels[pairs[i]] = pairs[i+1]
		}
	}
}

func important(priority int32) podOption {
	return func(p *v1.Pod) { p.Spec.Priority = ptr.To(priority) }
}

func nodeLabel(key, value string) nodeOption {
	return func(n *v1.Node) { n.Labels[key] = value }
}

func taint(key string, effect v1.TaintEffect) nodeOption {
	return func(n *v1.Node) { n.Spec.Taints = append(n.Spec.Taints, v1.Taint{Key: key, Effect: effect}) }
}

func tolerates(key string) podOption {
	return func(p *v1.Pod) {
		p.Spec.Tolerations = append(p.Spec.Tolerations, v1.Toleration{Key: key, Operator: v1.TolerationOpExists})
	}
}

func affinityOf(p *v1.Pod) *v1.Affinity {
	if p.Spec.Affinity == nil {
		p.Spec.Affinity = &v1.Affinity{}
	}
	return p.Spec.Affinity
}

func hostname(app string) v1.PodAffinityTerm {
	return v1.PodAffinityTerm{TopologyKey: v1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}}
}

func near(app string) podOption {
	return func(p *v1.Pod) {
		affinityOf(p).PodAffinity = &v1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{hostname(app)}}
	}
}

func awayFrom(app string) podOption {
	return func(p *v1.Pod) {
		affinityOf(p).PodAntiAffinity = &v1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{hostname(app)}}
	}
}

// cluster fills a cache and makes a cycle for pod on it.
func cluster(pod *v1.Pod, objects ...metav1.Object) (*Scheduler, *cycleState) {
	s := &Scheduler{name: v1.DefaultSchedulerName, cache: newClusterCache(), queue: newSchedulingQueue(clock.RealClock{})}
	for _, object := range objects {
		switch object := object.(type) {
		case *v1.Node:
			s.cache.addOrUpdateNode(object)
		case *v1.Pod:
			s.cache.addOrUpdatePod(object)
		}
	}
	return s, newCycleState(pod, s.cache.sorted, func(string) map[string]string { return map[string]string{"team": "a"} })
}

// world is a scheduler at work.
type world struct {
	*fakeapi.API
	t      testing.TB
	s      *Scheduler
	events *events.FakeRecorder
}

func start(t testing.TB, clk clock.WithTicker, objects ...runtime.Object) *world {
	t.Helper()
	w := &world{API: fakeapi.New(t, objects...), t: t, events: events.NewFakeRecorder(100000)}
	s, err := newScheduler(v1.DefaultSchedulerName, w.Client, w.Factory, w.events, clk)
	if err != nil {
		t.Fatal(err)
	}
	w.s = s
	w.API.Start(t)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return w
}

func (w *world) create(pod *v1.Pod) {
	w.t.Helper()
	if _, err := w.Client.CoreV1().Pods(pod.Namespace).Create(context.Background(), pod, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) pod(name string) *v1.Pod {
	w.t.Helper()
	pod, err := w.Client.CoreV1().Pods("default").Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return pod
}

func (w *world) assigned(name string) string {
	w.t.Helper()
	node := ""
	fakeapi.Eventually(w.t, func() string {
		if node = w.pod(name).Spec.NodeName; node == "" {
			return fmt.Sprintf("pod %s has no node: %+v", name, w.pod(name).Status.Conditions)
		}
		return ""
	})
	return node
}

// refused waits until the pod is said to be unschedulable and returns the message.
func (w *world) refused(name string) string {
	w.t.Helper()
	message := ""
	fakeapi.Eventually(w.t, func() string {
		for _, c := range w.pod(name).Status.Conditions {
			if c.Type == v1.PodScheduled && c.Status == v1.ConditionFalse && c.Reason == v1.PodReasonUnschedulable {
				message = c.Message
				return ""
			}
		}
		return "pod " + name + " has no PodScheduled condition"
	})
	return message
}

func (w *world) event() string {
	w.t.Helper()
	select {
	case event := <-w.events.Events:
		return event
	case <-time.After(5 * time.Second):
		w.t.Fatal("no event within 5 s")
		return ""
	}
}
