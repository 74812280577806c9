package install

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"

	"noriter.dev/noriter/provision/machine"
)

// restarted is a machine that notes what it runs, and then does something.
type restarted struct {
	here
	name string
	then func()
	mu   *sync.Mutex
	ran  *[]string
}

func (r restarted) Name() string { return r.name }
func (r restarted) Run(_ context.Context, c machine.Command) (machine.Result, error) {
	r.mu.Lock()
	*r.ran = append(*r.ran, r.name+": "+c.Line)
	r.mu.Unlock()
	r.then()
	return machine.Result{}, nil
}

// TestRelieve: only agents of nodes that say they are short, or keep the taint, are
// started again. What is short still is told, and is no error.
func TestRelieve(t *testing.T) {
	pressed := v1.NodeStatus{Conditions: []v1.NodeCondition{{Type: v1.NodeDiskPressure, Status: v1.ConditionTrue}}}
	taint := v1.NodeSpec{Taints: []v1.Taint{{Key: v1.TaintNodeDiskPressure, Effect: v1.TaintEffectNoSchedule}}}
	restart := "node1: systemctl restart " + unitAgent
	for name, c := range map[string]struct {
		node   v1.Node
		passes bool // once the agent was started again
		ran    []string
		notes  []string
	}{
		"short of nothing":  {node: v1.Node{}},
		"was short":         {node: v1.Node{Status: pressed, Spec: taint}, passes: true, ran: []string{restart}},
		"keeps the taint":   {node: v1.Node{Spec: taint}, passes: true, ran: []string{restart}},
		"is short, told so": {node: v1.Node{Status: pressed, Spec: taint}, ran: []string{restart}, notes: []string{"node1: DiskPressure"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.node.Name = "node1"
			// One that this run is not about.
			other := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node9"}, Status: pressed}
			client := fake.NewClientset(&c.node, other)
			cluster := &Cluster{Nodes: []Node{{Name: "node1"}, {Name: "node2"}}}
			var mu sync.Mutex
			var ran, notes []string
			for _, n := range cluster.Nodes {
				cluster.SetMachine(restarted{name: n.Name, mu: &mu, ran: &ran, then: func() {
					if c.passes {
						relieved(t, client)
					}
				}})
			}
			limit := time.Minute
			if !c.passes {
				limit = time.Millisecond // it is short in any case
			}
			if err := cluster.relieve(t.Context(), client, limit, func(s string) { notes = append(notes, s) }); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(ran, c.ran) || !slices.Equal(notes, c.notes) {
				t.Errorf("ran %q, told %q; want %q, %q", ran, strings.Join(notes, "; "), c.ran, c.notes)
			}
		})
	}
}

// relieved makes node1 one that is short of nothing.
func relieved(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	n := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node1"}}
	if _, err := client.CoreV1().Nodes().Update(t.Context(), n, metav1.UpdateOptions{}); err != nil {
		t.Error(err)
	}
}
