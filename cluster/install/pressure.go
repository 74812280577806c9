package install

import (
	"context"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"noriter.dev/noriter/cluster/conditions"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
)

// reliefLimit is how long a node may take to say that it is short of nothing, when its
// agent was just started.
const reliefLimit = 15 * time.Second

// relieve starts the agents of nodes again that say they are short of memory, disk or
// processes. An agent says so for five minutes after that was last so, as the kubelet
// does, and meanwhile no pod comes to its node; one that was just started says what is
// so now. What is short still is told, and is no error: it is the node's own affair.
func (c *Cluster) relieve(ctx context.Context, client kubernetes.Interface, limit time.Duration, note func(string)) error {
	short, err := c.short(ctx, client)
	if err != nil || len(short) == 0 {
		return err
	}
	err = c.each(ctx, func(ctx context.Context, n Node, m machine.Machine) error {
		if short[n.Name] == "" {
			return nil
		}
		_, err := m.Run(ctx, machine.Command{
			Line: "systemctl restart " + unitAgent, Timeout: startLimit,
			Doing: lang.Textf("starting %s again", "%s 다시 시작", unitAgent),
		})
		return err
	})
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, c.patient(limit))
	defer cancel()
	err = poll(limited, lang.Text{EN: "the nodes to be short of nothing", KO: "노드의 자원 부족 해소"}, func() (bool, string) {
		now, err := c.short(limited, client)
		if err != nil {
			return false, err.Error()
		}
		short = now
		return len(short) == 0, told(short)
	})
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		note(told(short))
		return nil
	}
	return err
}

// short are the targets that say they are short of something, or that keep a taint from
// when they were, each with what it is.
func (c *Cluster) short(ctx context.Context, client kubernetes.Interface) (map[string]string, error) {
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, lang.Errorf("listing the nodes: %w", "노드 목록 조회: %w", err)
	}
	short := map[string]string{}
	for i := range list.Items {
		n := &list.Items[i]
		if !slices.ContainsFunc(c.targets(), func(t Node) bool { return t.Name == n.Name }) {
			continue
		}
		for kind, taint := range map[v1.NodeConditionType]string{
			v1.NodeMemoryPressure: v1.TaintNodeMemoryPressure, v1.NodeDiskPressure: v1.TaintNodeDiskPressure, v1.NodePIDPressure: v1.TaintNodePIDPressure,
		} {
			now := conditions.Node(&n.Status, kind)
			tainted := slices.ContainsFunc(n.Spec.Taints, func(t v1.Taint) bool { return t.Key == taint })
			if now != nil && now.Status == v1.ConditionTrue || tainted {
				short[n.Name] = string(kind)
			}
		}
	}
	return short, nil
}

// told lists what is short: "node1: DiskPressure, node2: DiskPressure".
func told(short map[string]string) string {
	var all []string
	for name, kind := range short {
		all = append(all, name+": "+kind)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}
