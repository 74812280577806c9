package tainteviction

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/record"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"

	"noriter.dev/noriter/cluster/component/fakeapi"
)

func TestMain(m *testing.M) { fakeapi.Main(m) }

var began = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func node(name string, taints ...v1.Taint) *v1.Node {
	return &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.NodeSpec{Taints: taints}}
}

func pod(name, node string, tolerations ...v1.Toleration) *v1.Pod {
	return &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, CreationTimestamp: metav1.NewTime(began)},
		Spec: v1.PodSpec{NodeName: node, Tolerations: tolerations}}
}

type world struct {
	*fakeapi.API
	t      *testing.T
	clock  *clocktesting.FakeClock
	events *record.FakeRecorder
}

func start(t *testing.T, objects ...runtime.Object) *world {
	t.Helper()
	w := &world{API: fakeapi.New(t, objects...), t: t, clock: clocktesting.NewFakeClock(began), events: record.NewFakeRecorder(1000)}
	c, err := New(w.Client, w.Factory, w.events, w.clock)
	if err != nil {
		t.Fatal(err)
	}
	w.Run(t, func(ctx context.Context) { c.Run(ctx, 2) })
	return w
}

// settle gives the loop time to do what it should not.
func (w *world) settle() {
	for range 5 {
		w.clock.Step(time.Millisecond)
		time.Sleep(4 * time.Millisecond)
	}
}

// left waits until these pods are left. The clock moves a little meanwhile, so that what
// waits for it goes on, but in all no further than a second.
func (w *world) left(want string) {
	w.t.Helper()
	steps := 0
	fakeapi.Eventually(w.t, func() string {
		list, err := w.Client.CoreV1().Pods("default").List(context.Background(), metav1.ListOptions{})
		if err != nil {
			return err.Error()
		}
		names := []string{}
		for _, p := range list.Items {
			names = append(names, p.Name)
		}
		if got := strings.Join(names, " "); got != want {
			if steps++; steps <= 1000 {
				w.clock.Step(time.Millisecond)
			}
			return fmt.Sprintf("left are %q, want %q", got, want)
		}
		return ""
	})
}

func TestPodsAreEvictedAfterTheirToleration(t *testing.T) {
	maintenance := v1.Taint{Key: "maintenance", Effect: v1.TaintEffectNoExecute, TimeAdded: ptr.To(metav1.NewTime(began))}
	forever := v1.Toleration{Operator: v1.TolerationOpExists}
	patient := v1.Toleration{Key: "maintenance", Operator: v1.TolerationOpExists, TolerationSeconds: ptr.To[int64](300)}
	w := start(t, node("node1", maintenance), pod("impatient", "node1"), pod("patient", "node1", patient),
		pod("forever", "node1", forever), pod("elsewhere", "node2"), node("node2"))
	w.left("elsewhere forever patient")
	if event := <-w.events.Events; event != "Normal TaintManagerEviction Marking for deletion Pod default/impatient" {
		t.Errorf("event %q", event)
	}
	w.clock.Step(297 * time.Second)
	w.settle()
	w.left("elsewhere forever patient")
	w.clock.Step(3 * time.Second)
	w.left("elsewhere forever")
}
