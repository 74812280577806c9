package deployment

import (
	"context"
	"fmt"
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
	"noriter.dev/noriter/cluster/controllers/replicaset"
	"noriter.dev/noriter/cluster/controllers/templatehash"
)

func TestMain(m *testing.M) { fakeapi.Main(m) }

// deployment has a deadline and keeps ten old ReplicaSets, as the API server's
// defaults have it.
func deployment(replicas int32, surge, unavailable string) *appsv1.Deployment {
	set := map[string]string{"app": "web"}
	s, u := intstr.Parse(surge), intstr.Parse(unavailable)
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(replicas), Selector: &metav1.LabelSelector{MatchLabels: set},
			RevisionHistoryLimit: ptr.To[int32](10), ProgressDeadlineSeconds: ptr.To[int32](600),
			Strategy: appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: &s, MaxUnavailable: &u}},
			Template: v1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: set},
				Spec: v1.PodSpec{Containers: []v1.Container{{Name: "c", Image: "web:v1"}}}},
		},
	}
}

// world has the two controllers at work and, unless it is told not to, a node that
// makes pods ready.
type world struct {
	*fakeapi.API
	t      *testing.T
	c      *Controller
	events *record.FakeRecorder

	mu     sync.Mutex
	broken string // pods with this image don't become ready
}

// idle has a controller that does nothing by itself.
func idle(t *testing.T, objects ...runtime.Object) *world {
	t.Helper()
	w := &world{API: fakeapi.New(t, objects...), t: t, events: record.NewFakeRecorder(100000)}
	var err error
	if w.c, err = New(w.Client, w.Factory, w.events, clock.RealClock{}); err != nil {
		t.Fatal(err)
	}
	return w
}

func start(t *testing.T, objects ...runtime.Object) *world {
	t.Helper()
	w := idle(t, objects...)
	sets, err := replicaset.New(w.Client, w.Factory, record.NewFakeRecorder(100000), clock.RealClock{})
	if err != nil {
		t.Fatal(err)
	}
	w.Run(t, func(ctx context.Context) { w.c.Run(ctx, 2) }, func(ctx context.Context) { sets.Run(ctx, 2) }, w.node)
	return w
}

// node makes pods ready, one at a time.
func (w *world) node(ctx context.Context) {
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
			if podset.IsReady(pod) || pod.Spec.Containers[0].Image == broken {
				continue
			}
			pod.Status.Phase = v1.PodRunning
			pod.Status.Conditions = []v1.PodCondition{{Type: v1.PodReady, Status: v1.ConditionTrue, LastTransitionTime: metav1.Now()}}
			if _, err := pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{}); err == nil {
				break
			}
		}
	}
}

func (w *world) breakImage(image string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = image
}

func (w *world) get() *appsv1.Deployment {
	w.t.Helper()
	d, err := w.Client.AppsV1().Deployments("default").Get(context.Background(), "web", metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *world) change(change func(*appsv1.Deployment)) {
	w.t.Helper()
	fakeapi.Eventually(w.t, func() string {
		d := w.get()
		change(d)
		if _, err := w.Client.AppsV1().Deployments("default").Update(context.Background(), d, metav1.UpdateOptions{}); err != nil {
			return err.Error()
		}
		return ""
	})
}

func image(name string) func(*appsv1.Deployment) {
	return func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = name }
}

// sets are the ReplicaSets by image.
func (w *world) sets() map[string]appsv1.ReplicaSet {
	w.t.Helper()
	list, err := w.Client.AppsV1().ReplicaSets("default").List(context.Background(), metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	byImage := map[string]appsv1.ReplicaSet{}
	for _, rs := range list.Items {
		byImage[rs.Spec.Template.Spec.Containers[0].Image] = rs
	}
	return byImage
}

func (w *world) complete() *appsv1.Deployment {
	w.t.Helper()
	var d *appsv1.Deployment
	fakeapi.Eventually(w.t, func() string {
		d = w.get()
		s, n := d.Status, *d.Spec.Replicas
		if s.ObservedGeneration != d.Generation || s.UpdatedReplicas != n || s.Replicas != n || s.AvailableReplicas != n {
			return fmt.Sprintf("not complete: %+v", s)
		}
		if c := condition(&s, appsv1.DeploymentProgressing); d.Spec.ProgressDeadlineSeconds != nil && (c == nil || c.Reason != reasonAvailable) {
			return fmt.Sprintf("condition Progressing is %+v", c)
		}
		return ""
	})
	return d
}

// waitFor returns the first event that contains text.
func (w *world) waitFor(text string) {
	w.t.Helper()
	seen := []string{}
	fakeapi.Eventually(w.t, func() string {
		for {
			select {
			case event := <-w.events.Events:
				seen = append(seen, event)
				if strings.Contains(event, text) {
					return ""
				}
			default:
				return fmt.Sprintf("no event %q among %q", text, seen)
			}
		}
	})
}

func TestFirstRollout(t *testing.T) {
	w := start(t, deployment(3, "25%", "25%"))
	d := w.complete()
	rs := w.sets()["web:v1"]
	w.waitFor("Normal ScalingReplicaSet Scaled up replica set " + rs.Name + " from 0 to 3")
	hash := rs.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
	if rs.Name != "web-"+hash || rs.Spec.Selector.MatchLabels[appsv1.DefaultDeploymentUniqueLabelKey] != hash || !metav1.IsControlledBy(&rs, d) {
		t.Errorf("replica set %s with labels %v and selector %v", rs.Name, rs.Labels, rs.Spec.Selector)
	}
	if d.Annotations[revisionAnnotation] != "1" || rs.Annotations[revisionAnnotation] != "1" || rs.Annotations[desiredAnnotation] != "3" || rs.Annotations[maxAnnotation] != "4" {
		t.Errorf("annotations %v and %v", d.Annotations, rs.Annotations)
	}
	available, progressing := condition(&d.Status, appsv1.DeploymentAvailable), condition(&d.Status, appsv1.DeploymentProgressing)
	if available == nil || available.Reason != "MinimumReplicasAvailable" || available.Message != "Deployment has minimum availability." {
		t.Errorf("condition Available %+v", available)
	}
	if want := fmt.Sprintf("ReplicaSet %q has successfully progressed.", rs.Name); progressing.Message != want {
		t.Errorf("condition Progressing says %q, want %q", progressing.Message, want)
	}
}

func TestRolloutAndBack(t *testing.T) {
	w := start(t, deployment(4, "1", "1"))
	w.complete()
	first := w.sets()["web:v1"].Name
	w.change(image("web:v2"))
	w.complete()
	if sets := w.sets(); *sets["web:v1"].Spec.Replicas != 0 || *sets["web:v2"].Spec.Replicas != 4 {
		t.Errorf("replica sets have %d and %d", *sets["web:v1"].Spec.Replicas, *sets["web:v2"].Spec.Replicas)
	}
	w.change(image("web:v1")) // as `kubectl rollout undo` does
	d := w.complete()
	rs := w.sets()["web:v1"]
	if rs.Name != first {
		t.Errorf("going back made %s, want the old %s again", rs.Name, first)
	}
	if d.Annotations[revisionAnnotation] != "3" || rs.Annotations[revisionAnnotation] != "3" || rs.Annotations[historyAnnotation] != "1" {
		t.Errorf("annotations %v and %v, want revision 3 with 1 in its history", d.Annotations, rs.Annotations)
	}
}

func TestBrokenRolloutStopsAndCanBeTakenBack(t *testing.T) {
	w := start(t, deployment(4, "1", "1"))
	w.complete()
	w.breakImage("web:v2")
	w.change(image("web:v2"))
	fakeapi.Eventually(t, func() string {
		if rs, ok := w.sets()["web:v2"]; !ok || rs.Status.Replicas != 2 {
			return fmt.Sprintf("the new replica set has %+v", rs.Status)
		}
		return ""
	})
	if old := w.sets()["web:v1"]; *old.Spec.Replicas != 3 {
		t.Errorf("%d old replicas, want 3: the new ones don't work", *old.Spec.Replicas)
	}
	w.change(image("web:v1"))
	w.complete()
	w.breakImage("")
}

func TestProgressDeadline(t *testing.T) {
	d := deployment(2, "1", "0")
	d.Spec.ProgressDeadlineSeconds = ptr.To[int32](1)
	w := start(t, d)
	w.complete()
	w.breakImage("web:v2")
	w.change(image("web:v2"))
	fakeapi.Eventually(t, func() string {
		c := condition(&w.get().Status, appsv1.DeploymentProgressing)
		if c == nil || c.Reason != reasonTimedOut || c.Status != v1.ConditionFalse {
			return fmt.Sprintf("condition Progressing is %+v", c)
		}
		if want := fmt.Sprintf("ReplicaSet %q has timed out progressing.", w.sets()["web:v2"].Name); c.Message != want {
			return fmt.Sprintf("message %q, want %q", c.Message, want)
		}
		return ""
	})
	w.breakImage("")
	w.complete() // it gets on by itself when the pods work after all
}

func TestPausedDeploymentIsScaledAndNotRolled(t *testing.T) {
	w := start(t, deployment(2, "1", "1"))
	w.complete()
	w.change(func(d *appsv1.Deployment) {
		d.Spec.Paused = true
		image("web:v2")(d)
		d.Spec.Replicas = ptr.To[int32](5)
	})
	fakeapi.Eventually(t, func() string {
		if n := *w.sets()["web:v1"].Spec.Replicas; n != 5 {
			return fmt.Sprintf("%d replicas, want 5", n)
		}
		if c := condition(&w.get().Status, appsv1.DeploymentProgressing); c == nil || c.Reason != reasonPaused {
			return fmt.Sprintf("condition %+v", c)
		}
		return ""
	})
	if _, rolled := w.sets()["web:v2"]; rolled {
		t.Error("rolled out though paused")
	}
	w.change(func(d *appsv1.Deployment) { d.Spec.Paused = false })
	w.complete()
	if *w.sets()["web:v2"].Spec.Replicas != 5 {
		t.Error("not rolled out after the pause")
	}
}

func TestRecreateNeverRunsTwoVersions(t *testing.T) {
	d := deployment(3, "1", "1")
	d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	w := start(t, d)
	w.OnWrite(func(_, _ string) {
		images := map[string]bool{}
		for _, pod := range w.stored() {
			images[pod.Spec.Containers[0].Image] = true
		}
		if len(images) > 1 {
			w.t.Errorf("pods of %v at once", images)
		}
	})
	w.complete()
	w.change(image("web:v2"))
	w.complete()
}

// stored are the pods, for OnWrite.
func (w *world) stored() []v1.Pod {
	list, err := w.Store.List(v1.SchemeGroupVersion.WithResource("pods"), v1.SchemeGroupVersion.WithKind("Pod"), "default")
	if err != nil {
		w.t.Error(err)
		return nil
	}
	return list.(*v1.PodList).Items
}

func TestHistoryIsPruned(t *testing.T) {
	d := deployment(1, "1", "0")
	d.Spec.RevisionHistoryLimit = ptr.To[int32](2)
	w := start(t, d)
	for i := 1; i <= 5; i++ {
		w.change(image(fmt.Sprintf("web:v%d", i)))
		w.complete()
	}
	fakeapi.Eventually(t, func() string {
		sets := w.sets()
		_, third := sets["web:v3"]
		if len(sets) != 3 || !third {
			return fmt.Sprintf("%d replica sets are left, want the current one and the two before it", len(sets))
		}
		return ""
	})
}

func TestHashCollision(t *testing.T) {
	d := deployment(1, "1", "0")
	name := "web-" + templatehash.Of(&d.Spec.Template, nil)
	stranger := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: appsv1.ReplicaSetSpec{Replicas: ptr.To[int32](0), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "other"}}}}
	w := start(t, d, stranger)
	if d := w.complete(); ptr.Deref(d.Status.CollisionCount, 0) != 1 {
		t.Errorf("collision count %v, want 1", d.Status.CollisionCount)
	}
}

func TestAnnotationsAreCopied(t *testing.T) {
	d := deployment(1, "1", "0")
	d.Annotations = map[string]string{"kubernetes.io/change-cause": "first", v1.LastAppliedConfigAnnotation: "{}"}
	w := start(t, d)
	w.complete()
	rs := w.sets()["web:v1"]
	if _, copied := rs.Annotations[v1.LastAppliedConfigAnnotation]; copied || rs.Annotations["kubernetes.io/change-cause"] != "first" {
		t.Errorf("annotations %v", rs.Annotations)
	}
}
