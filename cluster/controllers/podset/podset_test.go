package podset

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
)

func TestExpectations(t *testing.T) {
	clk := clocktesting.NewFakeClock(time.Now())
	e := NewExpectations(clk)
	if !e.Satisfied("a") {
		t.Error("nothing is expected, and not satisfied")
	}
	e.Expect("a", 2, []*v1.Pod{{ObjectMeta: metav1.ObjectMeta{UID: "x"}}})
	e.CreationObserved("a")
	e.DeletionObserved("a", "unknown")
	e.CreationObserved("b")
	if e.Satisfied("a") {
		t.Error("satisfied with one creation and one deletion left")
	}
	e.CreationObserved("a")
	e.CreationObserved("a") // one more than expected
	if e.Satisfied("a") {
		t.Error("satisfied with a deletion left")
	}
	e.DeletionObserved("a", "x") // marked
	e.DeletionObserved("a", "x") // and gone
	if !e.Satisfied("a") {
		t.Error("not satisfied though all was seen")
	}
	e.Expect("a", 1, nil)
	clk.Step(expectationsTimeout + time.Second)
	if !e.Satisfied("a") {
		t.Error("waits for ever for what does not come")
	}
	e.Expect("a", 1, nil)
	e.Forget("a")
	if !e.Satisfied("a") {
		t.Error("a new object of that name inherits what was expected of the old one")
	}
}

func TestSlowStart(t *testing.T) {
	for _, c := range []struct{ count, failAt, wantCalls, wantMade int }{
		{10, 0, 10, 10}, {100, 1, 1, 0}, {100, 2, 3, 2}, {100, 40, 63, 62}, {0, 0, 0, 0},
	} {
		calls := make(chan int, 200)
		for i := range 200 {
			calls <- i + 1
		}
		made, err := slowStart(c.count, func(int) error {
			if <-calls == c.failAt {
				return errors.New("no")
			}
			return nil
		})
		if called := 200 - len(calls); called != c.wantCalls || made != c.wantMade || (err != nil) != (c.failAt > 0) {
			t.Errorf("%d with failure %d: %d calls, %d made, %v; want %d and %d", c.count, c.failAt, called, made, err, c.wantCalls, c.wantMade)
		}
	}
}

func TestAvailability(t *testing.T) {
	now := time.Now()
	readySince := func(ago time.Duration) *v1.Pod {
		return &v1.Pod{Status: v1.PodStatus{Conditions: []v1.PodCondition{{Type: v1.PodReady, Status: v1.ConditionTrue, LastTransitionTime: metav1.NewTime(now.Add(-ago))}}}}
	}
	pods := []*v1.Pod{readySince(3 * time.Second), readySince(8 * time.Second), readySince(time.Hour), {}}
	if IsAvailable(pods[0], 10, now) || !IsAvailable(pods[2], 10, now) || !IsAvailable(pods[0], 0, now) || IsAvailable(pods[3], 0, now) {
		t.Error("availability is wrong")
	}
	if wait, ok := NextAvailable(pods, 10, now); !ok || wait != 2*time.Second {
		t.Errorf("next in %v (%t), want 2s", wait, ok)
	}
	if _, ok := NextAvailable(pods[2:], 10, now); ok {
		t.Error("waits for nobody")
	}
}

func claimed(t *testing.T, owner, live *appsv1.ReplicaSet, pods ...*v1.Pod) (names string, patches map[string]string, err error) {
	t.Helper()
	patches = map[string]string{}
	claim := refManager[*v1.Pod]{owner: owner, kind: appsv1.SchemeGroupVersion.WithKind("ReplicaSet"), selector: labels.SelectorFromSet(labels.Set{"app": "web"}),
		live: func(context.Context) (metav1.Object, error) { return live, nil },
		patch: func(_ context.Context, pod *v1.Pod, patch []byte) error {
			patches[pod.Name] = string(patch)
			if pod.Annotations["gone"] != "" {
				return apierrors.NewNotFound(v1.Resource("pods"), pod.Name)
			}
			return nil
		}}
	ours, err := claim.claimAll(t.Context(), pods)
	for _, pod := range ours {
		names += pod.Name + " "
	}
	return strings.TrimSpace(names), patches, err
}

func TestClaim(t *testing.T) {
	owner := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web", UID: "owner"}}
	pod := func(name, app string, controller types.UID, changes ...func(*v1.Pod)) *v1.Pod {
		p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-" + name), Labels: map[string]string{"app": app}}}
		if controller != "" {
			p.OwnerReferences = []metav1.OwnerReference{{UID: controller, Controller: ptr.To(true)}}
		}
		for _, change := range changes {
			change(p)
		}
		return p
	}
	gone := func(p *v1.Pod) { p.Annotations = map[string]string{"gone": "yes"} }
	ending := func(p *v1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Now()} }
	names, patches, err := claimed(t, owner, owner,
		pod("kept", "web", "owner"), pod("adopted", "web", ""), pod("released", "other", "owner"), pod("foreign", "web", "another"),
		pod("stranger", "other", ""), pod("gone", "web", "", gone), pod("ending", "web", "", ending), pod("lost", "other", "owner", gone))
	if err != nil || names != "kept adopted" {
		t.Errorf("claimed %q (%v), want kept and adopted", names, err)
	}
	if want := `{"metadata":{"uid":"uid-released","ownerReferences":[{"$patch":"delete","uid":"owner"}]}}`; patches["released"] != want {
		t.Errorf("patch %s, want %s", patches["released"], want)
	}
	if !strings.Contains(patches["adopted"], `"controller":true,"blockOwnerDeletion":true`) || !strings.Contains(patches["adopted"], `"uid":"uid-adopted"`) {
		t.Errorf("patch %s", patches["adopted"])
	}
	if len(patches) != 4 {
		t.Errorf("patched %v", patches)
	}

	// What a deleted owner adopts would be deleted with it, and the cache may not know.
	deleted, replaced := owner.DeepCopy(), owner.DeepCopy()
	deleted.DeletionTimestamp, replaced.UID = &metav1.Time{Time: time.Now()}, "another"
	for _, live := range []*appsv1.ReplicaSet{deleted, replaced} {
		if names, patches, err := claimed(t, owner, live, pod("kept", "web", "owner"), pod("orphan", "web", "")); err == nil || names != "kept" || len(patches) > 0 {
			t.Errorf("claimed %q with %v and %v", names, patches, err)
		}
	}
	if names, patches, err := claimed(t, deleted, deleted, pod("orphan", "web", ""), pod("released", "other", "owner")); err != nil || names != "" || len(patches) > 0 {
		t.Errorf("an owner that is deleted claimed %q with %v and %v", names, patches, err)
	}
}

func TestFromTemplate(t *testing.T) {
	owner := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: strings.Repeat("x", 253)}}
	template := &v1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"a": "b"}, Annotations: map[string]string{"c": "d"}, Finalizers: []string{"e/f"}}}
	pod := podFromTemplate(template, owner, metav1.NewControllerRef(owner, appsv1.SchemeGroupVersion.WithKind("ReplicaSet")))
	if pod.GenerateName != owner.Name || fmt.Sprint(pod.Labels, pod.Annotations, pod.Finalizers) != "map[a:b] map[c:d] [e/f]" {
		t.Errorf("pod %+v", pod.ObjectMeta)
	}
	pod.Labels["a"] = "changed"
	if template.Labels["a"] != "b" {
		t.Error("the pod shares its labels with the template")
	}
}
