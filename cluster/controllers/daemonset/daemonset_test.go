package daemonset

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"noriter.dev/noriter/cluster/component/fakeapi"
	"noriter.dev/noriter/cluster/controllers/podset"
)

func TestMain(m *testing.M) { fakeapi.Main(m) }

func daemonSet(changes ...func(*appsv1.DaemonSet)) *appsv1.DaemonSet {
	set := map[string]string{"app": "agent"}
	one := intstr.FromInt32(1)
	ds := &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "agent", Annotations: map[string]string{appsv1.DeprecatedTemplateGeneration: "1"}},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: set}, RevisionHistoryLimit: ptr.To[int32](1),
			Template:       v1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: set}, Spec: v1.PodSpec{Containers: []v1.Container{{Name: "c", Image: "agent:v1"}}}},
			UpdateStrategy: appsv1.DaemonSetUpdateStrategy{Type: appsv1.RollingUpdateDaemonSetStrategyType, RollingUpdate: &appsv1.RollingUpdateDaemonSet{MaxUnavailable: &one}},
		},
	}
	for _, change := range changes {
		change(ds)
	}
	return ds
}

func surging(ds *appsv1.DaemonSet) {
	one := intstr.FromInt32(1)
	ds.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateDaemonSet{MaxSurge: &one}
}

func onDelete(ds *appsv1.DaemonSet) {
	ds.Spec.UpdateStrategy = appsv1.DaemonSetUpdateStrategy{Type: appsv1.OnDeleteDaemonSetStrategyType}
}

func node(name string, taints ...v1.Taint) *v1.Node {
	return &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1.LabelHostname: name}}, Spec: v1.NodeSpec{Taints: taints}}
}

// world has the controller at work, and something that places pods and makes them
// ready as scheduler and nodes would.
type world struct {
	*fakeapi.API
	t      *testing.T
	events *record.FakeRecorder
	mu     sync.Mutex
	broken string
}

func start(t *testing.T, objects ...runtime.Object) *world {
	t.Helper()
	w := &world{API: fakeapi.New(t, objects...), t: t, events: record.NewFakeRecorder(10000)}
	c, err := New(w.Client, w.Factory, w.events, clock.RealClock{})
	if err != nil {
		t.Fatal(err)
	}
	w.Run(t, func(ctx context.Context) { c.Run(ctx, 2) }, w.nodes)
	return w
}

func (w *world) nodes(ctx context.Context) {
	pods := w.Client.CoreV1().Pods("default")
	for ctx.Err() == nil {
		list, err := pods.List(ctx, metav1.ListOptions{})
		if err != nil {
			return
		}
		w.mu.Lock()
		broken := w.broken
		w.mu.Unlock()
		for i := range list.Items {
			pod := &list.Items[i]
			switch {
			case pod.Spec.NodeName == "":
				// The pretended scheduler; a conflict is tried again.
				_ = pods.Bind(ctx, &v1.Binding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: pod.Name}, Target: v1.ObjectReference{Kind: "Node", Name: targetNode(pod)}}, metav1.CreateOptions{})
			case !podset.IsReady(pod) && !podset.IsTerminal(pod) && pod.Spec.Containers[0].Image != broken:
				pod.Status.Phase = v1.PodRunning
				pod.Status.Conditions = []v1.PodCondition{{Type: v1.PodReady, Status: v1.ConditionTrue, LastTransitionTime: metav1.Now()}}
				_, _ = pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{}) // a conflict is tried again
			}
		}
	}
}

func (w *world) change(change func(*appsv1.DaemonSet)) {
	w.t.Helper()
	fakeapi.Eventually(w.t, func() string {
		ds := w.get()
		change(ds)
		if _, err := w.Client.AppsV1().DaemonSets("default").Update(context.Background(), ds, metav1.UpdateOptions{}); err != nil {
			return err.Error()
		}
		return ""
	})
}

func (w *world) get() *appsv1.DaemonSet {
	w.t.Helper()
	ds, err := w.Client.AppsV1().DaemonSets("default").Get(context.Background(), "agent", metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return ds
}

// settle waits until there is one available pod of the current template on each node,
// and on no other.
func (w *world) settle(nodes ...string) {
	w.t.Helper()
	fakeapi.Eventually(w.t, func() string {
		got := w.where()
		ds := w.get()
		n := int32(len(nodes))
		if s := ds.Status; !slices.Equal(got, nodes) || s.DesiredNumberScheduled != n || s.NumberAvailable != n || s.UpdatedNumberScheduled != n ||
			s.NumberMisscheduled != 0 || s.NumberUnavailable != 0 || s.ObservedGeneration != ds.Generation {
			return fmt.Sprintf("pods on %v, status %+v, want %v", got, s, nodes)
		}
		return ""
	})
}

func (w *world) where() []string {
	list, err := w.Client.CoreV1().Pods("default").List(context.Background(), metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for _, pod := range list.Items {
		names = append(names, pod.Spec.NodeName)
	}
	slices.Sort(names)
	return names
}

func image(name string) func(*appsv1.DaemonSet) {
	return func(ds *appsv1.DaemonSet) { ds.Spec.Template.Spec.Containers[0].Image = name }
}

func TestOnePodOnEachNode(t *testing.T) {
	control := node("control", v1.Taint{Key: "node-role.kubernetes.io/control-plane", Effect: v1.TaintEffectNoSchedule})
	cordoned := node("node2", v1.Taint{Key: v1.TaintNodeUnschedulable, Effect: v1.TaintEffectNoSchedule})
	w := start(t, daemonSet(), control, node("node1"), cordoned)
	w.settle("node1", "node2")
	if _, err := w.Client.CoreV1().Nodes().Create(context.Background(), node("node3"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.settle("node1", "node2", "node3")
	list, err := w.Client.CoreV1().Pods("default").List(context.Background(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pod := list.Items[0]
	if pod.Labels["pod-template-generation"] != "1" || pod.Labels[appsv1.DefaultDaemonSetUniqueLabelKey] == "" || len(pod.Spec.Tolerations) != 6 {
		t.Errorf("pod with labels %v and tolerations %v", pod.Labels, pod.Spec.Tolerations)
	}
	if err := w.RemovePod("default", pod.Name); err != nil { // someone kills one
		t.Fatal(err)
	}
	w.settle("node1", "node2", "node3")

	w.change(func(ds *appsv1.DaemonSet) {
		ds.Spec.Template.Spec.NodeSelector = map[string]string{v1.LabelHostname: "node3"}
	})
	w.settle("node3")
	w.change(func(ds *appsv1.DaemonSet) {
		ds.Spec.Template.Spec.NodeSelector = nil
		ds.Spec.Template.Spec.Tolerations = []v1.Toleration{{Operator: v1.TolerationOpExists}}
	})
	w.settle("control", "node1", "node2", "node3")
}

func TestFailedPodsAreReplaced(t *testing.T) {
	w := start(t, daemonSet(), node("node1"))
	w.settle("node1")
	fakeapi.Eventually(t, func() string {
		list, err := w.Client.CoreV1().Pods("default").List(context.Background(), metav1.ListOptions{})
		if err != nil {
			return err.Error()
		}
		pod := list.Items[0]
		pod.Status = v1.PodStatus{Phase: v1.PodFailed}
		if _, err := w.Client.CoreV1().Pods("default").UpdateStatus(context.Background(), &pod, metav1.UpdateOptions{}); err != nil {
			return err.Error()
		}
		return ""
	})
	fakeapi.Eventually(t, func() string {
		for {
			select {
			case event := <-w.events.Events:
				if strings.Contains(event, "Warning FailedDaemonPod Found failed daemon pod default/agent-") && strings.HasSuffix(event, "on node node1, will try to kill it") {
					return ""
				}
			default:
				return "no event FailedDaemonPod"
			}
		}
	})
	w.settle("node1")
}

func TestRollingUpdateKeepsToItsLimits(t *testing.T) {
	for name, c := range map[string]struct {
		strategy     func(*appsv1.DaemonSet)
		fewest, most int // ready pods and pods, of three nodes
	}{
		"by deletion": {func(*appsv1.DaemonSet) {}, 2, 3},
		"by surge":    {surging, 3, 4},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, daemonSet(c.strategy), node("node1"), node("node2"), node("node3"))
			w.settle("node1", "node2", "node3")
			w.OnWrite(func(verb, resource string) {
				if resource != "pods" || verb == "watch" {
					return
				}
				list, err := w.Store.List(v1.SchemeGroupVersion.WithResource("pods"), v1.SchemeGroupVersion.WithKind("Pod"), "default")
				if err != nil {
					w.t.Error(err)
					return
				}
				pods, ready := list.(*v1.PodList).Items, 0
				for i := range pods {
					if podset.IsReady(&pods[i]) {
						ready++
					}
				}
				if ready < c.fewest || len(pods) > c.most {
					w.t.Errorf("%d pods, %d of them ready, after a %s; want at least %d ready and at most %d", len(pods), ready, verb, c.fewest, c.most)
				}
			})
			for _, version := range []string{"agent:v2", "agent:v3"} {
				w.change(image(version))
				w.settle("node1", "node2", "node3")
			}
		})
	}
}

func TestBrokenUpdateStops(t *testing.T) {
	w := start(t, daemonSet(), node("node1"), node("node2"), node("node3"))
	w.settle("node1", "node2", "node3")
	w.mu.Lock()
	w.broken = "agent:v2"
	w.mu.Unlock()
	w.change(image("agent:v2"))
	fakeapi.Eventually(t, func() string {
		if s := w.get().Status; s.UpdatedNumberScheduled != 1 || s.NumberAvailable != 2 || s.NumberUnavailable != 1 {
			return fmt.Sprintf("status %+v, want one pod replaced and no more", s)
		}
		return ""
	})
	w.change(image("agent:v1")) // back
	w.settle("node1", "node2", "node3")
}

func TestOnDeleteWaitsForSomeone(t *testing.T) {
	w := start(t, daemonSet(onDelete), node("node1"))
	w.settle("node1")
	w.change(image("agent:v2"))
	fakeapi.Eventually(t, func() string {
		if s := w.get().Status; s.ObservedGeneration != 2 || s.UpdatedNumberScheduled != 0 {
			return fmt.Sprintf("status %+v", s)
		}
		return ""
	})
	list, err := w.Client.CoreV1().Pods("default").List(context.Background(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if list.Items[0].Spec.Containers[0].Image != "agent:v1" {
		t.Error("replaced though nobody deleted it")
	}
	if err := w.RemovePod("default", list.Items[0].Name); err != nil {
		t.Fatal(err)
	}
	w.settle("node1")
}

func TestRevisionsAreKeptAndPruned(t *testing.T) {
	w := start(t, daemonSet(), node("node1"))
	for _, version := range []string{"agent:v1", "agent:v2", "agent:v3", "agent:v2"} {
		w.change(image(version))
		w.settle("node1")
	}
	fakeapi.Eventually(t, func() string {
		list, err := w.Client.AppsV1().ControllerRevisions("default").List(context.Background(), metav1.ListOptions{})
		if err != nil {
			return err.Error()
		}
		numbers := []int64{}
		for _, revision := range list.Items {
			numbers = append(numbers, revision.Revision)
			if !strings.Contains(string(revision.Data.Raw), `"$patch":"replace"`) {
				return "a revision holds no patch: " + string(revision.Data.Raw)
			}
		}
		slices.Sort(numbers)
		if !slices.Equal(numbers, []int64{3, 4}) { // going back renumbers
			return fmt.Sprintf("revisions %v, want 3 and 4", numbers)
		}
		return ""
	})
}

func TestNodeShouldRunDaemonPod(t *testing.T) {
	for name, c := range map[string]struct {
		taint              v1.Taint
		shouldRun, mayStay bool
	}{
		"NoSchedule":       {v1.Taint{Key: "x", Effect: v1.TaintEffectNoSchedule}, false, true},
		"NoExecute":        {v1.Taint{Key: "x", Effect: v1.TaintEffectNoExecute}, false, false},
		"PreferNoSchedule": {v1.Taint{Key: "x", Effect: v1.TaintEffectPreferNoSchedule}, true, true},
		"unreachable":      {v1.Taint{Key: v1.TaintNodeUnreachable, Effect: v1.TaintEffectNoExecute}, true, true},
		"disk pressure":    {v1.Taint{Key: v1.TaintNodeDiskPressure, Effect: v1.TaintEffectNoSchedule}, true, true},
		"no network yet":   {v1.Taint{Key: v1.TaintNodeNetworkUnavailable, Effect: v1.TaintEffectNoSchedule}, false, true},
	} {
		shouldRun, mayStay, _ := nodeShouldRunDaemonPod(daemonSet(), node("n", c.taint))
		if shouldRun != c.shouldRun || mayStay != c.mayStay {
			t.Errorf("%s: should run %t, may stay %t", name, shouldRun, mayStay)
		}
	}
	host := daemonSet(func(ds *appsv1.DaemonSet) { ds.Spec.Template.Spec.HostNetwork = true })
	if shouldRun, _, _ := nodeShouldRunDaemonPod(host, node("n", v1.Taint{Key: v1.TaintNodeNetworkUnavailable, Effect: v1.TaintEffectNoSchedule})); !shouldRun {
		t.Error("a daemon on the host's network waits for the pod network")
	}
}

// A generation counts as observed when it was acted upon: `kubectl rollout status`
// would call an update done whose pods nobody has looked at yet.
func TestGenerationIsObservedWhenActedUpon(t *testing.T) {
	w := &world{API: fakeapi.New(t, daemonSet(), node("node1")), t: t, events: record.NewFakeRecorder(100)}
	c, err := New(w.Client, w.Factory, w.events, clock.RealClock{})
	if err != nil {
		t.Fatal(err)
	}
	w.API.Start(t)
	c.expect.Expect("default/agent", 1, nil) // a pod that the cache has not shown yet
	before := w.get()
	if before.Generation == 0 {
		t.Fatal("the generation is not counted here")
	}
	if err := c.sync(t.Context(), "default/agent"); err != nil {
		t.Fatal(err)
	}
	if s := w.get().Status; s.ObservedGeneration != before.Status.ObservedGeneration || s.DesiredNumberScheduled != 1 {
		t.Errorf("while waiting for news, the status is %+v", s)
	}
	c.expect.CreationObserved("default/agent")
	fakeapi.Eventually(t, func() string {
		if err := c.sync(t.Context(), "default/agent"); err != nil {
			return err.Error() // what it read is old; it would be queued again
		}
		if s := w.get().Status; s.ObservedGeneration != before.Generation {
			return fmt.Sprintf("after it was acted upon, the status is %+v", s)
		}
		return ""
	})
}
