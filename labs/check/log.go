package check

import (
	"context"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/field"
)

// Log is what a container of a pod printed; the expression sees it as `log`,
// and line by line as `lines`.
type Log struct {
	Pod *field.Name
	// Selector, in the place of Pod, puts together the logs of all pods with
	// the label, one after another.
	Selector *field.Name
	// Container may be left out where a pod has one.
	Container string
	// Tail is how many of the last lines are read; 0 means all of them.
	Tail int
	// Previous reads the log of the container before its last restart.
	Previous bool
	At       problem.Pos `yaml:"-"`
}

// Variables is the log.
func (*Log) Variables() []string { return []string{"log", "lines"} }

// Validate wants one of pod and selector.
func (l *Log) Validate(v *field.Validator) {
	if (l.Pod == nil) == (l.Selector == nil) {
		v.Fail(l.At, "log: want pod or selector")
	}
}

// Look reads the log or logs.
func (l *Log) Look(ctx context.Context, c *Cluster, s *Scope, base expr.Scope) (expr.Scope, error) {
	read := l.one
	if l.Selector != nil {
		read = l.several
	}
	text, err := read(ctx, c, s, base)
	if err != nil {
		return nil, err
	}
	return base.With("log", text).With("lines", strings.Split(strings.TrimRight(text, "\n"), "\n")), nil
}

func (l *Log) one(ctx context.Context, c *Cluster, s *Scope, base expr.Scope) (string, error) {
	name, err := l.Pod.Fill(ctx, base, "")
	if err != nil {
		return "", err
	}
	if _, err := c.pod(ctx, s, name); err != nil {
		return "", err
	}
	text, err := c.Reach.Logs(ctx, s.Namespace, name, l.Container, l.Tail, l.Previous)
	if err != nil {
		return "", missing(lang.Textf("%v", "%v", err))
	}
	return text, nil
}

// several puts the logs of all pods with a label together. One that has none
// yet, as a pod that is only starting, adds nothing.
func (l *Log) several(ctx context.Context, c *Cluster, s *Scope, base expr.Scope) (string, error) {
	selector, err := l.Selector.Render(ctx, base)
	if err != nil {
		return "", err
	}
	pods, err := c.List(ctx, "Pod", "v1", s.Namespace, selector)
	if err != nil {
		return "", err
	}
	if len(pods) == 0 {
		return "", missing(lang.Textf("there is no pod with the label %s", "레이블 %s을(를) 가진 파드가 없습니다", selector))
	}
	var all strings.Builder
	for i := range pods {
		text, err := c.Reach.Logs(ctx, s.Namespace, pods[i].GetName(), l.Container, l.Tail, l.Previous)
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if err == nil {
			all.WriteString(text)
		}
	}
	return all.String(), nil
}
