package replicaset

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"noriter.dev/noriter/cluster/component/fakeapi"
)

func replicaSet(name string, replicas int32) *appsv1.ReplicaSet {
	set := map[string]string{"app": name}
	return &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: appsv1.ReplicaSetSpec{
			Replicas: ptr.To(replicas), Selector: &metav1.LabelSelector{MatchLabels: set},
			Template: v1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: set},
				Spec: v1.PodSpec{Containers: []v1.Container{{Name: "c", Image: "nginx"}}}},
		},
	}
}

// world is a running controller with what a test looks at.
type world struct {
	*fakeapi.API
	t      *testing.T
	events *record.FakeRecorder
}

func start(t *testing.T, objects ...runtime.Object) *world {
	t.Helper()
	return startKind(t, New, objects...)
}

type constructor = func(*fakeapi.API, record.EventRecorder) (*Controller, error)

func startKind(t *testing.T, makeController any, objects ...runtime.Object) *world {
	t.Helper()
	w := &world{API: fakeapi.New(t, objects...), t: t, events: record.NewFakeRecorder(1000)}
	var c *Controller
	var err error
	switch makeController := makeController.(type) {
	case constructor:
		c, err = makeController(w.API, w.events)
	default:
		c, err = New(w.Client, w.Factory, w.events, clock.RealClock{})
	}
	if err != nil {
		t.Fatal(err)
	}
	w.Run(t, func(ctx context.Context) { c.Run(ctx, 2) })
	return w
}

func (w *world) pods() []v1.Pod {
	w.t.Helper()
	list, err := w.Client.CoreV1().Pods("default").List(context.Background(), metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return list.Items
}

func (w *world) get(name string) *appsv1.ReplicaSet {
	w.t.Helper()
	rs, err := w.Client.AppsV1().ReplicaSets("default").Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return rs
}

func (w *world) settle(name string, replicas int32) {
	w.t.Helper()
	fakeapi.Eventually(w.t, func() string {
		rs, owned := w.get(name), 0
		for _, pod := range w.pods() {
			if metav1.IsControlledBy(&pod, rs) && pod.DeletionTimestamp == nil {
				owned++
			}
		}
		if owned != int(replicas) || rs.Status.Replicas != replicas || rs.Status.ObservedGeneration != rs.Generation {
			return fmt.Sprintf("%d pods, status %+v, want %d", owned, rs.Status, replicas)
		}
		return ""
	})
}

func (w *world) scale(name string, replicas int32) {
	w.t.Helper()
	fakeapi.Eventually(w.t, func() string {
		rs := w.get(name)
		rs.Spec.Replicas = ptr.To(replicas)
		if _, err := w.Client.AppsV1().ReplicaSets("default").Update(context.Background(), rs, metav1.UpdateOptions{}); err != nil {
			return err.Error()
		}
		return ""
	})
}

func (w *world) setPod(name string, change func(*v1.Pod), status bool) {
	w.t.Helper()
	pod, err := w.Client.CoreV1().Pods("default").Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	change(pod)
	update := w.Client.CoreV1().Pods("default").Update
	if status {
		update = w.Client.CoreV1().Pods("default").UpdateStatus
	}
	if _, err := update(context.Background(), pod, metav1.UpdateOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

func ready(since time.Time) func(*v1.Pod) {
	return func(pod *v1.Pod) {
		pod.Status.Phase = v1.PodRunning
		pod.Status.Conditions = []v1.PodCondition{{Type: v1.PodReady, Status: v1.ConditionTrue, LastTransitionTime: metav1.NewTime(since)}}
	}
}

func TestPodsAreCreatedHealedAndScaled(t *testing.T) {
	w := start(t, replicaSet("web", 3))
	w.settle("web", 3)
	pod := w.pods()[0]
	if ref := metav1.GetControllerOf(&pod); ref == nil || ref.Kind != "ReplicaSet" || ref.APIVersion != "apps/v1" || ref.Name != "web" ||
		!*ref.BlockOwnerDeletion || pod.Labels["app"] != "web" || pod.GenerateName != "web-" {
		t.Errorf("pod is not as its template and owner say: %+v", pod.ObjectMeta)
	}
	if event := <-w.events.Events; event != "Normal SuccessfulCreate Created pod: web-00002" {
		t.Errorf("event %q", event)
	}

	if err := w.RemovePod("default", pod.Name); err != nil { // someone kills a pod
		t.Fatal(err)
	}
	w.settle("web", 3)
	w.scale("web", 7)
	w.settle("web", 7)
	w.scale("web", 1)
	w.settle("web", 1)
	w.scale("web", 0)
	w.settle("web", 0)
}

// A terminating pod is no replica: its successor starts while it still ends.
func TestTerminatingPodsAreReplacedAtOnce(t *testing.T) {
	w := start(t, replicaSet("web", 2))
	w.settle("web", 2)
	w.Graceful = true
	name := w.pods()[0].Name
	w.setPod(name, func(pod *v1.Pod) { pod.Spec.NodeName = "node1" }, false)
	time.Sleep(50 * time.Millisecond) // so that only the deletion is news
	if err := w.Client.CoreV1().Pods("default").Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.settle("web", 2)
	fakeapi.Eventually(t, func() string {
		if n := w.get("web").Status.TerminatingReplicas; n == nil || *n != 1 {
			return fmt.Sprintf("terminatingReplicas is %v, want 1", n)
		}
		return ""
	})
	if n := len(w.pods()); n != 3 {
		t.Errorf("%d pods, want 2 and the one that ends", n)
	}
}

// The cache lags behind what the controller itself has done; without expectations
// it would make the same pods again.
func TestNoPodTooManyIsMadeWhenTheWatchLags(t *testing.T) {
	w := start(t)
	highest := 0
	w.OnWrite(func(_, resource string) {
		if resource != "pods" {
			return
		}
		list, err := w.Store.List(v1.SchemeGroupVersion.WithResource("pods"), v1.SchemeGroupVersion.WithKind("Pod"), "default")
		if err != nil {
			t.Error(err)
			return
		}
		highest = max(highest, len(list.(*v1.PodList).Items))
	})
	if _, err := w.Client.AppsV1().ReplicaSets("default").Create(context.Background(), replicaSet("web", 60), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.settle("web", 60)
	w.Client.Lock() // OnWrite runs under it
	defer w.Client.Unlock()
	if highest > 60 {
		t.Errorf("there were %d pods at one time, want never more than 60", highest)
	}
}

func TestOrphansAreAdoptedAndUnlabelledPodsReleased(t *testing.T) {
	orphan := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "orphan", Labels: map[string]string{"app": "web"}}}
	foreign := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "foreign", Labels: map[string]string{"app": "web"},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "other", UID: "other", Controller: ptr.To(true)}}}}
	w := start(t, replicaSet("web", 2), orphan, foreign)
	w.settle("web", 2)
	adopted, err := w.Client.CoreV1().Pods("default").Get(context.Background(), "orphan", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !metav1.IsControlledBy(adopted, w.get("web")) {
		t.Error("the orphan was not adopted")
	}
	if n := len(w.pods()); n != 3 {
		t.Errorf("%d pods, want the orphan, one new and the foreign one", n)
	}

	w.setPod("orphan", func(pod *v1.Pod) { pod.Labels["app"] = "debug" }, false)
	w.settle("web", 2)
	fakeapi.Eventually(t, func() string {
		released, err := w.Client.CoreV1().Pods("default").Get(context.Background(), "orphan", metav1.GetOptions{})
		if err != nil {
			return err.Error()
		}
		if len(released.OwnerReferences) > 0 {
			return "a pod without the label is still owned"
		}
		return ""
	})
}

func TestStatusCountsReadyAndAvailablePods(t *testing.T) {
	rs := replicaSet("web", 3)
	rs.Spec.MinReadySeconds = 1
	w := start(t, rs)
	w.settle("web", 3)
	pods := w.pods()
	w.setPod(pods[0].Name, ready(time.Now().Add(-time.Hour)), true)
	w.setPod(pods[1].Name, ready(time.Now()), true)
	fakeapi.Eventually(t, func() string {
		if s := w.get("web").Status; s.ReadyReplicas != 2 || s.AvailableReplicas < 1 || s.FullyLabeledReplicas != 3 {
			return fmt.Sprintf("status %+v", s)
		}
		return ""
	})
	// Nothing happens to the pod after that second: the controller has to look itself.
	fakeapi.Eventually(t, func() string {
		if s := w.get("web").Status; s.AvailableReplicas != 2 {
			return fmt.Sprintf("status %+v, want 2 available", s)
		}
		return ""
	})
}

func TestFailureToCreateIsReportedAndCleared(t *testing.T) {
	w := start(t)
	var mu sync.Mutex
	forbidden, attempts := true, 0
	w.Client.PrependReactor("create", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		mu.Lock()
		defer mu.Unlock()
		attempts++
		if forbidden {
			return true, nil, errors.New("exceeded quota: small")
		}
		return false, nil, nil
	})
	if _, err := w.Client.AppsV1().ReplicaSets("default").Create(context.Background(), replicaSet("web", 100), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	fakeapi.Eventually(t, func() string {
		for _, c := range w.get("web").Status.Conditions {
			if c.Type == appsv1.ReplicaSetReplicaFailure && c.Reason == "FailedCreate" && c.Message == "exceeded quota: small" {
				return ""
			}
		}
		return "no ReplicaFailure condition"
	})
	if event := <-w.events.Events; event != "Warning FailedCreate Error creating: exceeded quota: small" {
		t.Errorf("event %q", event)
	}
	mu.Lock()
	if attempts > 20 {
		t.Errorf("%d pods were tried, though the first one says that there is no room", attempts)
	}
	forbidden = false
	mu.Unlock()
	w.settle("web", 100)
	fakeapi.Eventually(t, func() string {
		if len(w.get("web").Status.Conditions) > 0 {
			return "the condition is still there"
		}
		return ""
	})
}

func TestReplicationControllersAreKeptByTheSameLoop(t *testing.T) {
	rc := &v1.ReplicationController{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "old"},
		Spec: v1.ReplicationControllerSpec{Replicas: ptr.To[int32](2), Selector: map[string]string{"app": "old"},
			Template: &v1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "old"}}}},
	}
	w := startKind(t, constructor(func(api *fakeapi.API, events record.EventRecorder) (*Controller, error) {
		return NewForReplicationControllers(api.Client, api.Factory, events, clock.RealClock{})
	}), rc)
	fakeapi.Eventually(t, func() string {
		got, err := w.Client.CoreV1().ReplicationControllers("default").Get(context.Background(), "old", metav1.GetOptions{})
		if err != nil {
			return err.Error()
		}
		if got.Status.Replicas != 2 || len(w.pods()) != 2 {
			return fmt.Sprintf("%d pods, status %+v", len(w.pods()), got.Status)
		}
		return ""
	})
	pod := w.pods()[0]
	if ref := metav1.GetControllerOf(&pod); ref == nil || ref.Kind != "ReplicationController" || ref.APIVersion != "v1" {
		t.Errorf("owner %+v", ref)
	}
	// Writing a status must not cause another one.
	before := len(w.Client.Actions())
	time.Sleep(50 * time.Millisecond)
	if after := len(w.Client.Actions()); after != before {
		t.Errorf("%d requests although nothing happens", after-before)
	}
	if !labels.SelectorFromSet(rc.Spec.Selector).Matches(labels.Set(pod.Labels)) {
		t.Errorf("labels %v", pod.Labels)
	}
}
