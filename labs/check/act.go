package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/format"
)

// Limits of putting things back.
const (
	undoLimit = 3 * time.Minute
	backLimit = 2 * time.Minute // for a machine that was off to be Ready again
)

// stepBack undoes one thing.
type stepBack func(context.Context) error

// act does what a triggered check does, and gives what undoes it. Also after
// an error, what is given must be undone.
func (c *Cluster) act(ctx context.Context, s *Scope, t *format.Triggered, hit []unstructured.Unstructured, say func(string)) (undo []stepBack, err error) {
	for i := range hit {
		var back stepBack
		switch obj := &hit[i]; {
		case t.Delete != nil:
			name := objectName(obj)
			say(lang.T("deleting "+name+" and watching what happens", name+"을(를) 지우고 지켜보는 중입니다"))
			err = c.Delete(ctx, t.Delete.Kind, t.Delete.APIVersion, obj)
		case t.Scale != nil:
			back, err = c.scale(ctx, s, t.Scale, obj, say)
		case t.Label != nil:
			back, err = c.relabel(ctx, s, t.Label, obj, say)
		case t.Node != nil:
			back, err = c.strike(ctx, t.Node, obj, say)
		}
		if back != nil {
			undo = append(undo, back)
		}
		if err != nil {
			return undo, err
		}
	}
	return undo, nil
}

// undo puts back what an act did, the last first, also when the learner has
// left meanwhile.
func (c *Cluster) undo(ctx context.Context, undo []stepBack) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoLimit)
	defer cancel()
	var all []error
	for i := len(undo) - 1; i >= 0; i-- {
		all = append(all, undo[i](ctx))
	}
	return errors.Join(all...)
}

func objectName(obj *unstructured.Unstructured) string {
	return strings.ToLower(obj.GetKind()) + "/" + obj.GetName()
}

// scale wants another number of pods, and the old one again.
func (c *Cluster) scale(ctx context.Context, s *Scope, sc *format.Scale, obj *unstructured.Unstructured, say func(string)) (stepBack, error) {
	replicas, err := sc.Replicas.Value(ctx, c.variables(ctx, s))
	if err != nil {
		return nil, fmt.Errorf("replicas: %w", err)
	}
	old, found, err := unstructured.NestedInt64(obj.Object, "spec", "replicas")
	if err != nil || !found {
		return nil, missing("%s", lang.T(objectName(obj)+" can't be scaled", objectName(obj)+"은(는) 스케일할 수 없습니다"))
	}
	say(lang.T(fmt.Sprintf("scaling %s to %d and watching what happens", objectName(obj), replicas),
		fmt.Sprintf("%s을(를) %d개로 바꾸고 지켜보는 중입니다", objectName(obj), replicas)))
	set := func(ctx context.Context, n int64) error {
		return c.merge(ctx, sc.APIVersion, obj, map[string]any{"spec": map[string]any{"replicas": n}})
	}
	return func(ctx context.Context) error { return set(ctx, old) }, set(ctx, int64(replicas))
}

// relabel changes labels, and brings back what they were.
func (c *Cluster) relabel(ctx context.Context, s *Scope, l *format.Relabel, obj *unstructured.Unstructured, say func(string)) (stepBack, error) {
	labels, old := map[string]any{}, map[string]any{}
	base := c.variables(ctx, s)
	for key, template := range l.Labels {
		value, err := template.Render(ctx, base)
		if err != nil {
			return nil, err
		}
		labels[key], old[key] = any(value), nil
		if value == "" {
			labels[key] = nil
		}
		if had, ok := obj.GetLabels()[key]; ok {
			old[key] = had
		}
	}
	say(lang.T("changing labels of "+objectName(obj)+" and watching what happens",
		objectName(obj)+"의 레이블을 바꾸고 지켜보는 중입니다"))
	set := func(ctx context.Context, labels map[string]any) error {
		return c.merge(ctx, l.APIVersion, obj, map[string]any{"metadata": map[string]any{"labels": labels}})
	}
	return func(ctx context.Context) error { return set(ctx, old) }, set(ctx, labels)
}

// merge lays fields over an object. One that has gone needs nothing put back.
func (c *Cluster) merge(ctx context.Context, apiVersion string, obj *unstructured.Unstructured, fields map[string]any) error {
	m, err := c.Resource(obj.GetKind(), apiVersion)
	if err != nil {
		return err
	}
	data, err := json.Marshal(fields)
	if err != nil {
		return fmt.Errorf("changing %s: %w", objectName(obj), err)
	}
	_, err = c.client(m, obj.GetNamespace()).Patch(ctx, obj.GetName(), types.MergePatchType, data, metav1.PatchOptions{FieldManager: "nori-lab"})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("changing %s: %w", objectName(obj), err)
	}
	return nil
}

// strike does something to a machine.
func (c *Cluster) strike(ctx context.Context, n *format.NodeTrigger, node *unstructured.Unstructured, say func(string)) (stepBack, error) {
	name := node.GetName()
	switch {
	case n.Power != "":
		power, ok := c.Nodes.(labs.Power)
		if !ok {
			return nil, errors.New("this check switches a machine off, but the machines of this cluster can't be reached")
		}
		say(lang.T("switching "+name+" off and watching what happens", name+"의 전원을 끄고 지켜보는 중입니다"))
		return func(ctx context.Context) error {
			if err := power.On(ctx, name); err != nil {
				return fmt.Errorf("switching %s on again: %w", name, err)
			}
			return c.untilBack(ctx, name)
		}, power.Off(ctx, name)
	case n.Stop != "":
		say(lang.T("stopping "+n.Stop+" on "+name+" and watching what happens", name+"에서 "+n.Stop+"을(를) 멈추고 지켜보는 중입니다"))
		return c.unit(name, "start", n.Stop), c.unit(name, "stop", n.Stop)(ctx)
	}
	say(lang.T("starting "+n.Start+" on "+name+" and watching what happens", name+"에서 "+n.Start+"을(를) 시작하고 지켜보는 중입니다"))
	return c.unit(name, "stop", n.Start), c.unit(name, "start", n.Start)(ctx)
}

// unit starts or stops a systemd unit on a machine.
func (c *Cluster) unit(node, verb, unit string) stepBack {
	return func(ctx context.Context) error {
		if c.Nodes == nil {
			return errors.New("this check acts on a machine, but the machines of this cluster can't be reached")
		}
		_, stderr, code, err := c.Nodes.Run(ctx, node, "systemctl "+verb+" "+quoted([]string{unit}))
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
	end := since.Add(backLimit)
	for {
		node, err := c.Get(ctx, "Node", "v1", "", name)
		if err == nil && node != nil && expr.Ready(node.Object) && heard(node).After(since.Add(-2*time.Second)) {
			return nil
		}
		if time.Now().After(end) {
			return errors.Join(fmt.Errorf("%s is not Ready %s after it was switched on again", name, backLimit), err)
		}
		if err := sleep(ctx, pollInterval); err != nil {
			return err
		}
	}
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
