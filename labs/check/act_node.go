package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/internal/shell"
	"noriter.dev/noriter/internal/wait"
	"noriter.dev/noriter/labs"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/field"
)

// NodeAct is an act on a machine. One of stop, start and power is set.
type NodeAct struct {
	// On is the machine: its name, or an expression in {{ }} that gives it.
	On *field.Name
	// Stop and Start name a systemd unit.
	Stop, Start string
	// Power is "off": the machine is switched off as if its power failed.
	// Afterwards it is switched on again, and waited for until it is Ready.
	Power string
	At    problem.Pos `yaml:"-"`
}

// backLimit is for a machine that was off to be Ready again.
const backLimit = 2 * time.Minute

// Target is the machine's Node.
func (n *NodeAct) Target() Target {
	return Target{Kind: "Node", APIVersion: "v1", Name: n.On, At: n.At}
}

// Validate wants a machine, and one of the acts.
func (n *NodeAct) Validate(v *field.Validator) {
	v.Need(n.At, "node", "on", n.On != nil)
	acts := 0
	for _, s := range []string{n.Stop, n.Start, n.Power} {
		if s != "" {
			acts++
		}
	}
	if acts != 1 {
		v.Fail(n.At, "node: want exactly one of stop: UNIT, start: UNIT, power: off")
	}
	if n.Power != "" && n.Power != "off" {
		v.Fail(n.At, "power: want off, found %q", n.Power)
	}
}

// Do does it to one machine.
func (n *NodeAct) Do(ctx context.Context, c *Cluster, _ *Scope, node *unstructured.Unstructured, say func(string)) (stepBack, error) {
	name := node.GetName()
	switch {
	case n.Power != "":
		power, ok := c.Nodes.(labs.Power)
		if !ok {
			return nil, errors.New("this check switches a machine off, but the machines of this cluster can't be reached")
		}
		say(lang.Textf("switching %s off and watching what happens", "%s의 전원을 끄고 지켜보는 중입니다", name).String())
		return func(ctx context.Context) error {
			if err := power.On(ctx, name); err != nil {
				return fmt.Errorf("switching %s on again: %w", name, err)
			}
			return c.untilBack(ctx, name)
		}, power.Off(ctx, name)
	case n.Stop != "":
		say(lang.Textf("stopping %[2]s on %[1]s and watching what happens", "%[1]s에서 %[2]s을(를) 멈추고 지켜보는 중입니다", name, n.Stop).String())
		return c.unit(name, "start", n.Stop), c.unit(name, "stop", n.Stop)(ctx)
	}
	say(lang.Textf("starting %[2]s on %[1]s and watching what happens", "%[1]s에서 %[2]s을(를) 시작하고 지켜보는 중입니다", name, n.Start).String())
	return c.unit(name, "stop", n.Start), c.unit(name, "start", n.Start)(ctx)
}

// unit starts or stops a systemd unit on a machine.
func (c *Cluster) unit(node, verb, unit string) stepBack {
	return func(ctx context.Context) error {
		if c.Nodes == nil {
			return errors.New("this check acts on a machine, but the machines of this cluster can't be reached")
		}
		_, stderr, code, err := c.Nodes.Run(ctx, node, "systemctl "+verb+" "+shell.Quote(unit))
		if err == nil && code != 0 {
			err = fmt.Errorf("systemctl %s %s ended with status %d: %s", verb, unit, code, strings.TrimSpace(stderr))
		}
		if err != nil {
			return fmt.Errorf("on %s: %w", node, err)
		}
		return nil
	}
}

// untilBack waits until a machine that was off is a node that is Ready, its
// agent heard since.
func (c *Cluster) untilBack(ctx context.Context, name string) error {
	since := time.Now()
	var unread error
	what := lang.Textf("the node %s to be Ready", "노드 %s의 Ready", name)
	back, err := wait.Within(ctx, backLimit, pollInterval, what, func(context.Context) (bool, string, error) {
		var node *unstructured.Unstructured
		if node, unread = c.Get(ctx, "Node", "v1", "", name); unread != nil || node == nil {
			return false, "", nil
		}
		return expr.Ready(node.Object) && heard(node).After(since.Add(-2*time.Second)), "", nil
	})
	if err == nil && !back {
		return errors.Join(fmt.Errorf("%s is not Ready %s after it was switched on again", name, backLimit), unread)
	}
	return err
}

// heard is when a node last told that it is Ready.
func heard(node *unstructured.Unstructured) time.Time {
	conditions, _, _ := unstructured.NestedSlice(node.Object, "status", "conditions") // none: never
	for _, c := range conditions {
		if m, ok := c.(map[string]any); ok && m["type"] == "Ready" {
			stamp, _ := m["lastHeartbeatTime"].(string)
			t, _ := time.Parse(time.RFC3339, stamp) // none is the zero time: never
			return t
		}
	}
	return time.Time{}
}
