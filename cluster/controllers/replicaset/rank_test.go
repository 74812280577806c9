package replicaset

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// pod is running, ready for a day and on a node of its own, but for the changes.
func pod(name string, changes ...func(*v1.Pod)) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name),
		CreationTimestamp: metav1.NewTime(now.Add(-24 * time.Hour))}, Spec: v1.PodSpec{NodeName: "node-of-" + name}}
	ready(now.Add(-24 * time.Hour))(p)
	for _, change := range changes {
		change(p)
	}
	return p
}

func onNode(name string) func(*v1.Pod)       { return func(p *v1.Pod) { p.Spec.NodeName = name } }
func unready(p *v1.Pod)                      { p.Status.Conditions[0].Status = v1.ConditionFalse }
func pending(p *v1.Pod)                      { p.Status.Phase = v1.PodPending; unready(p) }
func readyFor(d time.Duration) func(*v1.Pod) { return ready(now.Add(-d)) }
func restarted(n int32) func(*v1.Pod) {
	return func(p *v1.Pod) { p.Status.ContainerStatuses = []v1.ContainerStatus{{RestartCount: n}} }
}
func cost(c string) func(*v1.Pod) {
	return func(p *v1.Pod) { p.Annotations = map[string]string{v1.PodDeletionCost: c} }
}
func created(ago time.Duration) func(*v1.Pod) {
	return func(p *v1.Pod) { p.CreationTimestamp = metav1.NewTime(now.Add(-ago)) }
}

func TestPodsToDeleteAreRanked(t *testing.T) {
	for name, c := range map[string]struct {
		pods []*v1.Pod // in the order in which they should go
		why  string    // of the first
	}{
		"without a node first": {[]*v1.Pod{pod("a", onNode(""), pending), pod("b", pending), pod("c")}, "no node"},
		"phases":               {[]*v1.Pod{pod("a", pending), pod("b", func(p *v1.Pod) { p.Status.Phase = v1.PodUnknown; unready(p) }), pod("c", unready)}, "not come as far"},
		"not ready before ready, whatever it costs": {[]*v1.Pod{pod("a", unready, cost("100")), pod("b", cost("-100"))}, "not ready"},
		"deletion cost":               {[]*v1.Pod{pod("a", cost("-5")), pod("b", cost("nonsense")), pod("c", cost("7"))}, "lower"},
		"doubled on a node":           {[]*v1.Pod{pod("a", onNode("n1"), readyFor(48*time.Hour)), pod("b", onNode("n2"))}, "its node has more"},
		"ready more recently":         {[]*v1.Pod{pod("a", readyFor(time.Minute)), pod("b", readyFor(time.Hour))}, "ready more recently"},
		"about as long ready: by UID": {[]*v1.Pod{pod("a", readyFor(3600*time.Second)), pod("b", readyFor(3500*time.Second))}, "ready more recently"},
		"restarts":                    {[]*v1.Pod{pod("a", restarted(4)), pod("b", restarted(1))}, "restarted"},
		"younger":                     {[]*v1.Pod{pod("a", unready, created(time.Minute)), pod("b", unready, created(time.Hour))}, "created more recently"},
	} {
		t.Run(name, func(t *testing.T) {
			related := append([]*v1.Pod{pod("sibling", onNode("n1"))}, c.pods...)
			for range 5 {
				shuffled := append([]*v1.Pod{}, c.pods...)
				rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
				chosen := podsToDelete(shuffled, related, len(shuffled)-1, now)
				for i, v := range chosen {
					if v.pod.Name != c.pods[i].Name {
						t.Fatalf("number %d is %s, want %s", i, v.pod.Name, c.pods[i].Name)
					}
				}
				if !strings.Contains(chosen[0].why, c.why) {
					t.Errorf("%s goes because %q, want …%s…", chosen[0].pod.Name, chosen[0].why, c.why)
				}
			}
		})
	}
}

func TestAllPodsToDelete(t *testing.T) {
	if got := len(podsToDelete([]*v1.Pod{pod("a"), pod("b")}, nil, 2, now)); got != 2 {
		t.Errorf("%d pods of 2", got)
	}
}
