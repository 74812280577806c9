package check

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/format"
)

// look gathers what a check's expression is about.
func (c *Cluster) look(ctx context.Context, s *Scope, ck *format.Check, base expr.Scope) (expr.Scope, error) {
	switch {
	case ck.Object != nil:
		return c.lookObject(ctx, s, ck.Object, base)
	case ck.List != nil:
		return c.lookList(ctx, s, ck.List, base)
	case ck.HTTP != nil:
		return c.lookHTTP(ctx, s, ck.HTTP, base)
	case ck.DNS != nil:
		return c.lookDNS(ctx, s, ck.DNS, base)
	case ck.Log != nil:
		return c.lookLog(ctx, s, ck.Log, base)
	case ck.Event != nil:
		return c.lookEvents(ctx, s, ck.Event, base)
	case ck.Exec != nil:
		return c.lookExec(ctx, s, ck.Exec, base)
	case ck.Node != nil:
		return c.lookNode(ctx, ck.Node, base)
	case ck.Script != nil:
		return c.lookScript(ctx, s, ck.Script, base)
	}
	return nil, fmt.Errorf("check %s: a %s check can't be looked at", ck.ID, ck.Kind())
}

func (c *Cluster) lookObject(ctx context.Context, s *Scope, o *format.Object, base expr.Scope) (expr.Scope, error) {
	name, err := o.Name.Fill(ctx, base, "")
	if err != nil {
		return nil, err
	}
	namespace, err := o.Namespace.Fill(ctx, base, s.Namespace)
	if err != nil {
		return nil, err
	}
	obj, err := c.Get(ctx, o.Kind, o.APIVersion, namespace, name)
	if err != nil {
		return nil, err
	}
	switch {
	case o.Absent && obj != nil:
		return nil, missing("%s", lang.T(
			fmt.Sprintf("%s %s is still there", strings.ToLower(o.Kind), name),
			fmt.Sprintf("%s %s이(가) 아직 있습니다", inKorean(o.Kind), name)))
	case o.Absent:
		return base.With("object", nil), nil
	case obj == nil:
		return nil, missing("%s", lang.T(
			fmt.Sprintf("there is no %s named %s in namespace %s", strings.ToLower(o.Kind), name, namespace),
			fmt.Sprintf("네임스페이스 %s에 이름이 %s인 %s이(가) 없습니다", namespace, name, inKorean(o.Kind))))
	}
	return base.With("object", obj.Object), nil
}

func (c *Cluster) lookList(ctx context.Context, s *Scope, l *format.List, base expr.Scope) (expr.Scope, error) {
	items, err := c.listed(ctx, s, l, base)
	if err != nil {
		return nil, err
	}
	return base.With("items", contents(items)), nil
}

func (c *Cluster) listed(ctx context.Context, s *Scope, l *format.List, base expr.Scope) ([]unstructured.Unstructured, error) {
	selector, err := l.Selector.Fill(ctx, base, "")
	if err != nil {
		return nil, err
	}
	namespace, err := l.Namespace.Fill(ctx, base, s.Namespace)
	if err != nil {
		return nil, err
	}
	return c.List(ctx, l.Kind, l.APIVersion, namespace, selector)
}

// defaultSince is how far back events are looked for.
const defaultSince = time.Hour

func (c *Cluster) lookEvents(ctx context.Context, s *Scope, e *format.Event, base expr.Scope) (expr.Scope, error) {
	name, err := e.Name.Fill(ctx, base, "")
	if err != nil {
		return nil, err
	}
	since := e.Since
	if since == 0 {
		since = defaultSince
	}
	all, err := c.List(ctx, "Event", "v1", s.Namespace, "")
	if err != nil {
		return nil, err
	}
	items := []any{}
	for i := range all {
		if fits(&all[i], e, name, time.Now().Add(-since)) {
			items = append(items, all[i].Object)
		}
	}
	return base.With("items", items), nil
}

// fits tells whether an event is of the object and reason that are looked
// for, and happened (also: last happened) after oldest.
func fits(event *unstructured.Unstructured, want *format.Event, name string, oldest time.Time) bool {
	get := func(path ...string) string {
		v, _, _ := unstructured.NestedString(event.Object, path...) // a field of another type is not the one wanted
		return v
	}
	if want.Kind != "" && get("involvedObject", "kind") != want.Kind ||
		name != "" && get("involvedObject", "name") != name ||
		want.Reason != "" && get("reason") != want.Reason {
		return false
	}
	for _, stamp := range []string{get("series", "lastObservedTime"), get("lastTimestamp"), get("eventTime"),
		get("metadata", "creationTimestamp")} {
		if t, err := time.Parse(time.RFC3339Nano, stamp); err == nil {
			return t.After(oldest)
		}
	}
	return false
}

// runningPod sees that a pod is there before something is asked of it, so
// that the message is about the pod and not about HTTP.
func (c *Cluster) runningPod(ctx context.Context, namespace, name string) (*unstructured.Unstructured, error) {
	pod, err := c.Get(ctx, "Pod", "v1", namespace, name)
	if err != nil {
		return nil, err
	}
	if pod == nil {
		return nil, missing("%s", lang.T(
			fmt.Sprintf("there is no pod named %s in namespace %s", name, namespace),
			fmt.Sprintf("네임스페이스 %s에 이름이 %s인 파드가 없습니다", namespace, name)))
	}
	return pod, nil
}

func (c *Cluster) lookLog(ctx context.Context, s *Scope, l *format.Log, base expr.Scope) (expr.Scope, error) {
	if l.Selector != nil {
		return c.lookLogs(ctx, s, l, base)
	}
	name, err := l.Pod.Fill(ctx, base, "")
	if err != nil {
		return nil, err
	}
	if _, err := c.runningPod(ctx, s.Namespace, name); err != nil {
		return nil, err
	}
	text, err := c.Reach.Logs(ctx, s.Namespace, name, l.Container, l.Tail, l.Previous)
	if err != nil {
		return nil, missing("%v", err)
	}
	return logScope(base, text), nil
}

func logScope(base expr.Scope, text string) expr.Scope {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return base.With("log", text).With("lines", lines)
}

// lookLogs puts the logs of all pods with a label together. One that has none
// yet, as a pod that is only starting, adds nothing.
func (c *Cluster) lookLogs(ctx context.Context, s *Scope, l *format.Log, base expr.Scope) (expr.Scope, error) {
	selector, err := l.Selector.Render(ctx, base)
	if err != nil {
		return nil, err
	}
	pods, err := c.List(ctx, "Pod", "v1", s.Namespace, selector)
	if err != nil {
		return nil, err
	}
	if len(pods) == 0 {
		return nil, missing("%s", lang.T("there is no pod with the label "+selector, "레이블 "+selector+"을(를) 가진 파드가 없습니다"))
	}
	var all strings.Builder
	for i := range pods {
		text, err := c.Reach.Logs(ctx, s.Namespace, pods[i].GetName(), l.Container, l.Tail, l.Previous)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil {
			all.WriteString(text)
		}
	}
	return logScope(base, all.String()), nil
}

func (c *Cluster) lookExec(ctx context.Context, s *Scope, e *format.Exec, base expr.Scope) (expr.Scope, error) {
	name, err := e.Pod.Fill(ctx, base, "")
	if err != nil {
		return nil, err
	}
	if _, err := c.runningPod(ctx, s.Namespace, name); err != nil {
		return nil, err
	}
	var command []string
	for _, word := range e.Command {
		w, err := word.Render(ctx, base)
		if err != nil {
			return nil, err
		}
		command = append(command, w)
	}
	out, err := c.Reach.Exec(ctx, s.Namespace, name, e.Container, command)
	if err != nil {
		return nil, missing("%v", err)
	}
	return output(base, out), nil
}

func (c *Cluster) lookNode(ctx context.Context, n *format.NodeCheck, base expr.Scope) (expr.Scope, error) {
	if c.Nodes == nil {
		return nil, fmt.Errorf("this check runs a command on a machine, but the machines of this cluster can't be reached")
	}
	on, err := n.On.Render(ctx, base)
	if err != nil {
		return nil, err
	}
	command, err := n.Run.Render(ctx, base)
	if err != nil {
		return nil, err
	}
	stdout, stderr, code, err := c.Nodes.Run(ctx, on, command)
	if err != nil {
		return nil, fmt.Errorf("running %q on %s: %w", command, on, err)
	}
	return output(base, Output{Stdout: stdout, Stderr: stderr, Code: code}), nil
}

func output(base expr.Scope, out Output) expr.Scope {
	return base.With("stdout", out.Stdout).With("stderr", out.Stderr).With("code", out.Code)
}

// korean are the kinds that have a name in Korean.
var korean = map[string]string{
	"Pod": "파드", "ReplicaSet": "레플리카셋", "Deployment": "디플로이먼트", "DaemonSet": "데몬셋", "Service": "서비스",
	"Ingress": "인그레스", "Secret": "시크릿", "ConfigMap": "컨피그맵", "Node": "노드", "Namespace": "네임스페이스",
	"ServiceAccount": "서비스 어카운트", "EndpointSlice": "엔드포인트슬라이스", "IngressClass": "인그레스클래스",
}

// inKorean is a kind within a Korean sentence.
func inKorean(kind string) string {
	if name := korean[kind]; name != "" {
		return name
	}
	return strings.ToLower(kind)
}
