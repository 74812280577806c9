package nodelifecycle

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/record"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"

	"noriter.dev/noriter/cluster/component/fakeapi"
	"noriter.dev/noriter/cluster/controllers/podset"
	"noriter.dev/noriter/cluster/controllers/tainteviction"
)

func TestMain(m *testing.M) { fakeapi.Main(m) }

var began = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func node(name string, ready v1.ConditionStatus, changes ...func(*v1.Node)) *v1.Node {
	n := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(began)},
		Status: v1.NodeStatus{Conditions: []v1.NodeCondition{
			{Type: v1.NodeReady, Status: ready, Reason: "KubeletReady", LastHeartbeatTime: metav1.NewTime(began)},
			{Type: v1.NodeMemoryPressure, Status: v1.ConditionFalse}}}}
	for _, change := range changes {
		change(n)
	}
	return n
}

func lease(name string) *coordinationv1.Lease {
	return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: v1.NamespaceNodeLease, Name: name},
		Spec: coordinationv1.LeaseSpec{RenewTime: ptr.To(metav1.NewMicroTime(began))}}
}

// pod is ready, and tolerates lost nodes for five minutes as the API server makes all
// pods do.
func pod(name, node string, changes ...func(*v1.Pod)) *v1.Pod {
	tolerates := func(key string) v1.Toleration {
		return v1.Toleration{Key: key, Operator: v1.TolerationOpExists, Effect: v1.TaintEffectNoExecute, TolerationSeconds: ptr.To[int64](300)}
	}
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, CreationTimestamp: metav1.NewTime(began)},
		Spec:   v1.PodSpec{NodeName: node, Tolerations: []v1.Toleration{tolerates(v1.TaintNodeNotReady), tolerates(v1.TaintNodeUnreachable)}},
		Status: v1.PodStatus{Phase: v1.PodRunning, Conditions: []v1.PodCondition{{Type: v1.PodReady, Status: v1.ConditionTrue, LastTransitionTime: metav1.NewTime(began)}}}}
	for _, change := range changes {
		change(p)
	}
	return p
}

// world has the controller at work, and the one that evicts pods by the taints.
type world struct {
	*fakeapi.API
	t                *testing.T
	clock            *clocktesting.FakeClock
	events, eviction *record.FakeRecorder
}

func start(t *testing.T, objects ...runtime.Object) *world {
	t.Helper()
	return startWith(t, 50*time.Second, objects...)
}

func startWith(t *testing.T, grace time.Duration, objects ...runtime.Object) *world {
	t.Helper()
	w := &world{API: fakeapi.New(t, objects...), t: t, clock: clocktesting.NewFakeClock(began),
		events: record.NewFakeRecorder(1000), eviction: record.NewFakeRecorder(1000)}
	leases := informers.NewSharedInformerFactoryWithOptions(w.Client, 0, informers.WithNamespace(v1.NamespaceNodeLease))
	c, err := New(w.Client, w.Factory, leases, Config{GracePeriod: grace, StartupGracePeriod: time.Minute, Period: 5 * time.Second}, w.events, w.clock)
	if err != nil {
		t.Fatal(err)
	}
	evicting, err := tainteviction.New(w.Client, w.Factory, w.eviction, w.clock)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	leases.Start(ctx.Done())
	leases.WaitForCacheSync(ctx.Done())
	w.API.Start(t)
	var running sync.WaitGroup
	running.Go(func() { c.Run(ctx, 4) })
	running.Go(func() { evicting.Run(ctx, 4) })
	t.Cleanup(func() { cancel(); running.Wait(); leases.Shutdown() })
	return w
}

func (w *world) node(name string) *v1.Node {
	w.t.Helper()
	n, err := w.Client.CoreV1().Nodes().Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// eventually moves the clock a little at a time, so that what waits for it goes on,
// but in all no further than a second.
func (w *world) eventually(check func() string) {
	w.t.Helper()
	for range 50 {
		if check() == "" {
			return
		}
		w.clock.Step(20 * time.Millisecond)
		time.Sleep(4 * time.Millisecond)
	}
	fakeapi.Eventually(w.t, check)
}

// settle gives the loops time to do what they should not.
func (w *world) settle() {
	for range 5 {
		w.clock.Step(time.Millisecond)
		time.Sleep(4 * time.Millisecond)
	}
}

func (w *world) taints(name, want string) {
	w.t.Helper()
	w.eventually(func() string {
		if got := describe(w.node(name).Spec.Taints); got != want {
			return fmt.Sprintf("taints of %s are %s, want %s", name, got, want)
		}
		return ""
	})
}

func (w *world) renew(name string) {
	w.t.Helper()
	l, err := w.Client.CoordinationV1().Leases(v1.NamespaceNodeLease).Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	l.Spec.RenewTime = ptr.To(metav1.NewMicroTime(w.clock.Now()))
	if _, err := w.Client.CoordinationV1().Leases(v1.NamespaceNodeLease).Update(context.Background(), l, metav1.UpdateOptions{}); err != nil {
		w.t.Fatal(err)
	}
	time.Sleep(10 * time.Millisecond) // for the watch
}

// report writes a node's status as its agent does.
func (w *world) report(name string, ready v1.ConditionStatus) {
	w.t.Helper()
	fakeapi.Eventually(w.t, func() string {
		n := w.node(name)
		c := condition(n, v1.NodeReady)
		c.Status, c.Reason, c.LastHeartbeatTime = ready, "KubeletReady", metav1.NewTime(w.clock.Now())
		if _, err := w.Client.CoreV1().Nodes().UpdateStatus(context.Background(), n, metav1.UpdateOptions{}); err != nil {
			return err.Error()
		}
		return ""
	})
}

const lostTaints = "node.kubernetes.io/unreachable:NoSchedule, node.kubernetes.io/unreachable:NoExecute"

func TestSilentNodeIsLostAfter50Seconds(t *testing.T) {
	w := start(t, node("node1", v1.ConditionTrue), node("node2", v1.ConditionTrue), lease("node1"), lease("node2"), pod("web", "node1"))
	w.settle()
	for range 4 { // node1 is silent, node2 is not
		w.clock.Step(12 * time.Second)
		w.renew("node2")
	}
	w.settle()
	if got := condition(w.node("node1"), v1.NodeReady); got.Status != v1.ConditionTrue {
		t.Fatalf("lost after 48 s: %+v", got)
	}
	w.clock.Step(3 * time.Second)
	w.taints("node1", lostTaints)
	ready := condition(w.node("node1"), v1.NodeReady)
	if ready.Status != v1.ConditionUnknown || ready.Reason != "NodeStatusUnknown" || ready.Message != "Kubelet stopped posting node status." {
		t.Errorf("condition Ready %+v", ready)
	}
	if disk := condition(w.node("node1"), v1.NodeDiskPressure); disk == nil || disk.Reason != "NodeStatusNeverUpdated" {
		t.Errorf("condition DiskPressure %+v", disk)
	}
	w.eventually(func() string {
		p, err := w.Client.CoreV1().Pods("default").Get(context.Background(), "web", metav1.GetOptions{})
		if err != nil {
			return err.Error()
		}
		if podset.IsReady(p) {
			return "the pod of a lost node still counts as ready"
		}
		return ""
	})
	w.taints("node2", "none")

	w.report("node1", v1.ConditionTrue) // it is back
	w.taints("node1", "none")
}

// The cache of leases may lag behind; a node is lost only if the API server agrees.
func TestLeaseIsReadAgainBeforeANodeIsLost(t *testing.T) {
	w := start(t, node("node1", v1.ConditionTrue), node("node2", v1.ConditionTrue), lease("node1"), lease("node2"))
	w.settle()
	w.clock.Step(45 * time.Second)
	stored, err := w.Store.Get(coordinationv1.SchemeGroupVersion.WithResource("leases"), v1.NamespaceNodeLease, "node1")
	if err != nil {
		t.Fatal(err)
	}
	// A version that no watch tells of.
	stored.(*coordinationv1.Lease).ResourceVersion = "999999"
	live := stored.DeepCopyObject()
	w.Client.PrependReactor("get", "leases", reaction(live))
	w.clock.Step(10 * time.Second)
	w.settle()
	if got := condition(w.node("node1"), v1.NodeReady); got.Status != v1.ConditionTrue {
		t.Errorf("called lost, though the API server has a newer lease: %+v", got)
	}
}

func (w *world) left(want string) {
	w.t.Helper()
	w.eventually(func() string {
		list, err := w.Client.CoreV1().Pods("default").List(context.Background(), metav1.ListOptions{})
		if err != nil {
			return err.Error()
		}
		names := []string{}
		for _, p := range list.Items {
			names = append(names, p.Name)
		}
		if got := strings.Join(names, " "); got != want {
			return fmt.Sprintf("left are %q, want %q", got, want)
		}
		return ""
	})
}

func TestEvictionIsCalledOffWhenTheNodeComesBack(t *testing.T) {
	w := startWith(t, time.Hour, node("node1", v1.ConditionFalse), node("node2", v1.ConditionTrue), pod("web", "node1"))
	w.taints("node1", "node.kubernetes.io/not-ready:NoSchedule, node.kubernetes.io/not-ready:NoExecute")
	w.settle()
	w.clock.Step(30 * time.Second)
	w.report("node1", v1.ConditionTrue)
	w.taints("node1", "none")
	w.eventually(func() string {
		select {
		case event := <-w.eviction.Events:
			if event == "Normal TaintManagerEviction Cancelling deletion of Pod default/web" {
				return ""
			}
			return "event " + event
		default:
			return "no event"
		}
	})
	w.clock.Step(10 * time.Minute)
	w.settle()
	w.left("web")
}

func TestCordonedNodesAreTainted(t *testing.T) {
	w := start(t, node("node1", v1.ConditionTrue, func(n *v1.Node) {
		n.Spec.Unschedulable = true
		n.Spec.Taints = []v1.Taint{{Key: "mine", Value: "x", Effect: v1.TaintEffectNoSchedule}}
	}))
	w.taints("node1", "mine:NoSchedule, node.kubernetes.io/unschedulable:NoSchedule")
	n := w.node("node1")
	n.Spec.Unschedulable = false
	if _, err := w.Client.CoreV1().Nodes().Update(context.Background(), n, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.taints("node1", "mine:NoSchedule")
}

func TestNobodyIsEvictedWhenAllNodesAreLost(t *testing.T) {
	w := start(t, node("node1", v1.ConditionTrue), node("node2", v1.ConditionTrue), lease("node1"), lease("node2"), pod("web", "node1"))
	w.settle()
	w.clock.Step(51 * time.Second)
	w.eventually(func() string {
		for _, name := range []string{"node1", "node2"} {
			if c := condition(w.node(name), v1.NodeReady); c.Status != v1.ConditionUnknown {
				return name + " is not lost"
			}
		}
		return ""
	})
	for range 4 {
		w.clock.Step(5 * time.Second)
		w.settle()
	}
	evicting := 0
	for _, name := range []string{"node1", "node2"} {
		for _, taint := range w.node(name).Spec.Taints {
			if taint.Effect == v1.TaintEffectNoExecute {
				evicting++
			}
		}
	}
	if evicting > 0 {
		t.Errorf("%d nodes evict their pods though all are lost", evicting)
	}
	// node2 goes on reporting, so that the test's clock can't run ahead of the
	// controller and lose it a second time.
	fakeapi.Eventually(t, func() string {
		if got := describe(w.node("node1").Spec.Taints); got != lostTaints {
			w.report("node2", v1.ConditionTrue)
			w.clock.Step(5 * time.Second)
			return "node2 is back, and node1's taints are " + got
		}
		return ""
	})
}

func TestNewNodesKeepTheirTaintUntilTheyReport(t *testing.T) {
	fresh := node("node1", v1.ConditionTrue, func(n *v1.Node) {
		n.Status.Conditions = nil
		n.Spec.Taints = []v1.Taint{{Key: v1.TaintNodeNotReady, Effect: v1.TaintEffectNoSchedule}}
	})
	w := start(t, fresh)
	if event := <-w.events.Events; event != "Normal RegisteredNode Node node1 event: Registered Node node1 in Controller" {
		t.Errorf("event %q", event)
	}
	w.settle()
	w.taints("node1", "node.kubernetes.io/not-ready:NoSchedule")
	n := w.node("node1")
	n.Status.Conditions = []v1.NodeCondition{{Type: v1.NodeReady, Status: v1.ConditionTrue}}
	if _, err := w.Client.CoreV1().Nodes().UpdateStatus(context.Background(), n, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.taints("node1", "none")
}
