package podset

import (
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"noriter.dev/noriter/cluster/controllers/loop"
)

// sets are the owners "web", "spare" and "other", of which the first two select the same
// pods.
func sets() Owners[*appsv1.ReplicaSet] {
	all := map[string]*appsv1.ReplicaSet{}
	for name, app := range map[string]string{"web": "web", "spare": "web", "other": "other"} {
		all[name] = &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-" + name)},
			Spec: appsv1.ReplicaSetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}}}
	}
	all["greedy"] = &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "greedy"}, Spec: appsv1.ReplicaSetSpec{Selector: &metav1.LabelSelector{}}}
	return Owners[*appsv1.ReplicaSet]{
		Kind: appsv1.SchemeGroupVersion.WithKind("ReplicaSet"),
		Get: func(_, name string) (*appsv1.ReplicaSet, error) {
			if rs := all[name]; rs != nil {
				return rs, nil
			}
			return nil, apierrors.NewNotFound(appsv1.Resource("replicasets"), name)
		},
		List: func(string) ([]*appsv1.ReplicaSet, error) {
			var list []*appsv1.ReplicaSet
			for _, rs := range all {
				list = append(list, rs)
			}
			return list, nil
		},
		Selector: func(rs *appsv1.ReplicaSet) *metav1.LabelSelector { return rs.Spec.Selector },
	}
}

func TestOwnersAreResolvedByUID(t *testing.T) {
	for name, c := range map[string]struct {
		kind, name string
		uid        types.UID
		want       bool
	}{
		"the owner":                  {"ReplicaSet", "web", "uid-web", true},
		"another kind":               {"DaemonSet", "web", "uid-web", false},
		"gone":                       {"ReplicaSet", "gone", "uid-gone", false},
		"made again under this name": {"ReplicaSet", "web", "uid-of-the-first", false},
	} {
		if _, ok := sets().Resolve("default", &metav1.OwnerReference{Kind: c.kind, Name: c.name, UID: c.uid}); ok != c.want {
			t.Errorf("%s: found %t, want %t", name, ok, c.want)
		}
	}
}

func TestWhoIsToldOfAPod(t *testing.T) {
	version := 0
	pod := func(changes ...func(*v1.Pod)) *v1.Pod {
		version++
		p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "p", UID: "uid-p", ResourceVersion: string(rune('a' + version)), Labels: map[string]string{"app": "web"}}}
		for _, change := range changes {
			change(p)
		}
		return p
	}
	of := func(name string) func(*v1.Pod) {
		return func(p *v1.Pod) {
			p.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: name, UID: types.UID("uid-" + name), Controller: ptr.To(true)}}
		}
	}
	ending := func(p *v1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Now()} }
	labelled := func(app string) func(*v1.Pod) { return func(p *v1.Pod) { p.Labels = map[string]string{"app": app} } }
	same := pod(of("web"))
	for name, c := range map[string]struct {
		event              func(cache.ResourceEventHandler)
		want               []string // queued
		creations, removed bool     // that are still expected of "web" afterwards
	}{
		"its owner, if it is new":               {func(h cache.ResourceEventHandler) { h.OnAdd(pod(of("web")), false) }, []string{"default/web"}, false, true},
		"nobody counts one that ends as new":    {func(h cache.ResourceEventHandler) { h.OnAdd(pod(of("web"), ending), false) }, []string{"default/web"}, true, false},
		"all that could adopt it":               {func(h cache.ResourceEventHandler) { h.OnAdd(pod(), false) }, []string{"default/spare", "default/web"}, true, true},
		"its owner, if it changes":              {func(h cache.ResourceEventHandler) { h.OnUpdate(pod(of("web")), pod(of("web"))) }, []string{"default/web"}, true, true},
		"nobody, if nothing has changed":        {func(h cache.ResourceEventHandler) { h.OnUpdate(same, same) }, nil, true, true},
		"both, if it is handed over":            {func(h cache.ResourceEventHandler) { h.OnUpdate(pod(of("other")), pod(of("web"))) }, []string{"default/other", "default/web"}, true, true},
		"adopters, if it is released":           {func(h cache.ResourceEventHandler) { h.OnUpdate(pod(of("other")), pod()) }, []string{"default/other", "default/spare", "default/web"}, true, true},
		"adopters, if it is relabelled":         {func(h cache.ResourceEventHandler) { h.OnUpdate(pod(labelled("x")), pod(labelled("other"))) }, []string{"default/other"}, true, true},
		"nobody, if an orphan stays as it is":   {func(h cache.ResourceEventHandler) { h.OnUpdate(pod(), pod()) }, nil, true, true},
		"its owner, if it is to end":            {func(h cache.ResourceEventHandler) { h.OnUpdate(pod(of("web")), pod(of("web"), ending)) }, []string{"default/web"}, true, false},
		"both, if it is handed over and to end": {func(h cache.ResourceEventHandler) { h.OnUpdate(pod(of("web")), pod(of("other"), ending)) }, []string{"default/other", "default/web"}, true, false},
		"its owner, if it is gone":              {func(h cache.ResourceEventHandler) { h.OnDelete(pod(of("web"))) }, []string{"default/web"}, true, false},
		"its owner, if the watch missed its end": {func(h cache.ResourceEventHandler) {
			h.OnDelete(cache.DeletedFinalStateUnknown{Key: "default/p", Obj: pod(of("web"))})
		}, []string{"default/web"}, true, false},
		"nobody, if an orphan is gone": {func(h cache.ResourceEventHandler) { h.OnDelete(pod()) }, nil, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			var got queue
			l := got.loop(t)
			h := Handlers[*appsv1.ReplicaSet]{Owners: sets(), Loop: l, Expect: NewExpectations(clock.RealClock{})}
			h.Expect.Expect("default/web", 1, []*v1.Pod{pod()})
			c.event(h.ForDependents())
			if keys := got.keys(t, l); !slices.Equal(keys, c.want) {
				t.Errorf("told were %v, want %v", keys, c.want)
			}
			x := h.Expect.byKey["default/web"]
			if creations, removed := x.creations > 0, len(x.deletions) > 0; creations != c.creations || removed != c.removed {
				t.Errorf("a creation is expected: %t, a deletion: %t; want %t and %t", creations, removed, c.creations, c.removed)
			}
		})
	}
}

func TestAnOwnerThatWasReplacedInheritsNothing(t *testing.T) {
	var got queue
	l := got.loop(t)
	h := Handlers[*appsv1.ReplicaSet]{Owners: sets(), Loop: l, Expect: NewExpectations(clock.RealClock{}), Writes: loop.NewWrites(clock.RealClock{})}
	h.Expect.Expect("default/web", 1, nil)
	first := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web", UID: "first"}}
	second := first.DeepCopy()
	second.UID = "second"
	h.ForOwners().OnUpdate(first, first)
	if h.Expect.Satisfied("default/web") {
		t.Error("what is expected was forgotten though the owner is the same")
	}
	h.ForOwners().OnUpdate(first, second)
	if !h.Expect.Satisfied("default/web") {
		t.Error("the second object waits for pods of the first")
	}
	h.Writes.Note("second", &v1.Pod{ObjectMeta: metav1.ObjectMeta{UID: "pod", Generation: 1}})
	h.ForOwners().OnDelete(cache.DeletedFinalStateUnknown{Key: "default/web", Obj: second})
	if wait := loop.Pending(h.Writes, "second", []*v1.Pod{}); wait > 0 {
		t.Errorf("writes of an owner that is gone are waited for %v", wait)
	}
	if keys := got.keys(t, l); !slices.Equal(keys, []string{"default/web"}) {
		t.Errorf("queued were %v", keys)
	}
}
