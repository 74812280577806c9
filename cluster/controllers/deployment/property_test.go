package deployment

import (
	"fmt"
	"math/rand/v2"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"noriter.dev/noriter/cluster/controllers/podset"
)

// Whatever the limits and however the controllers and the node interleave: at no
// time are more pods asked for than replicas and maxSurge, nor are fewer ready than
// replicas less maxUnavailable.
func TestRollingNeverLeavesTheLimits(t *testing.T) {
	for i := range 12 {
		replicas := 1 + rand.Int32N(9)
		surge, unavailable := randomLimit(replicas), randomLimit(replicas)
		t.Run(fmt.Sprintf("%d: replicas=%d surge=%s unavailable=%s", i, replicas, surge, unavailable), func(t *testing.T) {
			t.Parallel()
			d := deployment(replicas, surge, unavailable)
			s, u := resolveFenceposts(d)
			w := start(t, d)
			w.complete()
			w.watchLimits(int(replicas+s), int(replicas-u))
			for version := range 4 { // some come while the last is still being rolled out
				w.change(image(fmt.Sprintf("web:v%d", 2+rand.IntN(2)+version%2)))
				if rand.IntN(2) == 0 {
					w.complete()
				}
			}
			w.complete()
		})
	}
}

func randomLimit(replicas int32) string {
	if rand.IntN(2) == 0 {
		return fmt.Sprintf("%d%%", rand.IntN(101))
	}
	return fmt.Sprint(rand.Int32N(replicas + 1))
}

func (w *world) watchLimits(most, fewest int) {
	w.OnWrite(func(verb, resource string) {
		if verb == "watch" {
			return
		}
		list, err := w.Store.List(appsv1.SchemeGroupVersion.WithResource("replicasets"), replicaSetKind, "default")
		if err != nil {
			w.t.Error(err)
			return
		}
		asked := 0
		for _, rs := range list.(*appsv1.ReplicaSetList).Items {
			asked += int(*rs.Spec.Replicas)
		}
		if asked > most {
			w.t.Errorf("%d pods are asked for after a %s of %s, want at most %d", asked, verb, resource, most)
		}
		pods := w.stored()
		ready := 0
		for i := range pods {
			if podset.IsReady(&pods[i]) {
				ready++
			}
		}
		if ready < fewest {
			w.t.Errorf("%d pods are ready after a %s, want at least %d", ready, verb, fewest)
		}
	})
}

func TestResolveFenceposts(t *testing.T) {
	for _, c := range []struct {
		replicas           int32
		surge, unavailable string
		wantS, wantU       int32
	}{
		{10, "25%", "25%", 3, 2}, {1, "25%", "25%", 1, 0}, {4, "0", "0", 0, 1}, {3, "0", "10", 0, 3}, {0, "25%", "25%", 0, 0},
	} {
		s, u := resolveFenceposts(deployment(c.replicas, c.surge, c.unavailable))
		if s != c.wantS || u != c.wantU {
			t.Errorf("%d replicas, %s and %s: surge %d, unavailable %d, want %d and %d", c.replicas, c.surge, c.unavailable, s, u, c.wantS, c.wantU)
		}
	}
}

// A Deployment that is scaled in the middle of a rollout keeps its proportions.
func TestScalingInProportion(t *testing.T) {
	sized := func(image string, replicas, before int32) *appsv1.ReplicaSet {
		return &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: image, UID: types.UID(image),
			Annotations: map[string]string{maxAnnotation: fmt.Sprint(before), desiredAnnotation: fmt.Sprint(before - 3)}},
			Spec: appsv1.ReplicaSetSpec{Replicas: ptr.To(replicas)}}
	}
	for name, c := range map[string]struct {
		to           int32
		fresh, old   int32
		wantF, wantO int32
	}{
		"up":          {15, 5, 8, 7, 11}, // 13 → 18
		"down":        {5, 5, 8, 3, 5},   // 13 → 8
		"to nothing":  {0, 5, 8, 0, 0},
		"nothing new": {10, 5, 8, 5, 8},
	} {
		t.Run(name, func(t *testing.T) {
			d := deployment(c.to, "3", "2")
			w := idle(t)
			r := newRollout(w.c, d, nil)
			r.newRS, r.oldRSs = sized("fresh", c.fresh, 13), []*appsv1.ReplicaSet{sized("old", c.old, 13)}
			for _, rs := range r.allRSs() {
				if err := w.Store.Add(rs); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.scaleInProportion(t.Context(), []*appsv1.ReplicaSet{r.newRS, r.oldRSs[0]}); err != nil {
				t.Fatal(err)
			}
			if f, o := *r.newRS.Spec.Replicas, *r.oldRSs[0].Spec.Replicas; f != c.wantF || o != c.wantO {
				t.Errorf("new %d and old %d, want %d and %d", f, o, c.wantF, c.wantO)
			}
		})
	}
}

// The cache may not show yet what was just written. Acting on it would ask for more
// pods than maxSurge allows.
func TestNothingIsDoneOnOldNews(t *testing.T) {
	d := deployment(3, "1", "1")
	w := idle(t, d) // no informer runs: the cache shows what the test puts there
	cached := w.Factory.Apps().V1().Deployments().Informer().GetIndexer()
	if err := cached.Add(d); err != nil {
		t.Fatal(err)
	}
	if err := w.c.sync(t.Context(), "default/web"); err != nil {
		t.Fatal(err)
	}
	changed := w.get()
	image("web:v2")(changed)
	if err := cached.Update(changed); err != nil {
		t.Fatal(err)
	}
	if err := w.c.sync(t.Context(), "default/web"); err != nil {
		t.Fatal(err)
	}
	if sets := w.sets(); len(sets) != 1 {
		t.Errorf("%d replica sets, though the first has not been seen", len(sets))
	}
}

// New pods that are not available can't stand in for old ones, working or not.
func TestOldReplicasAreTakenAwayOnlyAsFarAsNewOnesStandIn(t *testing.T) {
	sized := func(name string, replicas, available int32) *appsv1.ReplicaSet {
		return &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name)},
			Spec: appsv1.ReplicaSetSpec{Replicas: ptr.To(replicas)}, Status: appsv1.ReplicaSetStatus{Replicas: replicas, AvailableReplicas: available}}
	}
	for name, c := range map[string]struct {
		fresh, old *appsv1.ReplicaSet
		want       int32
	}{
		"broken old ones within the limit":     {sized("fresh", 5, 2), sized("old", 8, 4), 6},
		"working ones that the new make up":    {sized("fresh", 5, 5), sized("old", 8, 8), 3},
		"none while the new ones don't work":   {sized("fresh", 5, 0), sized("old", 8, 8), 8},
		"no more than the old status promises": {sized("fresh", 5, 2), sized("old", 8, 10), 6},
	} {
		t.Run(name, func(t *testing.T) {
			w := idle(t)
			r := newRollout(w.c, deployment(10, "3", "2"), nil)
			r.newRS, r.oldRSs = c.fresh, []*appsv1.ReplicaSet{c.old}
			if err := w.Store.Add(c.old); err != nil {
				t.Fatal(err)
			}
			if _, err := r.reconcileOldReplicaSets(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := *r.oldRSs[0].Spec.Replicas; got != c.want {
				t.Errorf("%d old replicas, want %d", got, c.want)
			}
		})
	}
}

// Recreate waits for pods that are still on their way out.
func TestOldPodsCountUntilTheyAreGone(t *testing.T) {
	w := idle(t)
	old := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "old", UID: "old"}, Spec: appsv1.ReplicaSetSpec{Replicas: new(int32)}}
	r := newRollout(w.c, deployment(1, "1", "1"), nil)
	r.oldRSs = []*appsv1.ReplicaSet{old}
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "p", DeletionTimestamp: &metav1.Time{},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(old, replicaSetKind)}}}
	for _, step := range []struct {
		phase v1.PodPhase
		want  bool
	}{{v1.PodRunning, true}, {v1.PodFailed, false}} {
		pod.Status.Phase = step.phase
		if err := w.c.pods.Add(pod); err != nil {
			t.Fatal(err)
		}
		if left, err := r.oldPodsRunning(); err != nil || left != step.want {
			t.Errorf("a pod that is %s counts %t (%v), want %t", step.phase, left, err, step.want)
		}
		if err := r.rolloutRecreate(t.Context()); err != nil || (r.newRS == nil) != step.want {
			t.Errorf("with a pod that is %s: new replica set %v (%v)", step.phase, r.newRS, err)
		}
	}
}
