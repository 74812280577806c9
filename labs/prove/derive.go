package prove

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/field"
	"noriter.dev/noriter/labs/format"
)

// Derived are the ways that nobody wrote: shortcuts which a step's checks and its solution
// suggest by themselves. They must fail, or, as typing the solution twice, must pass. What
// is right after all is named by the lab, under `allowed`, with the reason.
const Derived = "derived"

// shortcut is a kind of derived way: scripts to be typed in the place of a solution.
type shortcut struct {
	kind string
	// passes says that the step must pass by it.
	passes  bool
	scripts func(step *format.Step, solution string, all []statement) []attempt
}

// attempt is one script of a kind; part tells it from others of its kind.
type attempt struct{ part, script string }

// shortcuts are the kinds. Each is what learners did, or would.
var shortcuts = []shortcut{
	{kind: "without", scripts: leftOut},
	{kind: "elsewhere", scripts: inAnotherNamespace},
	{kind: "matched", scripts: podsMatched},
	{kind: "orphaned", scripts: afterwards(keepers, orphaned)},
	{kind: "scaled", scripts: afterwards(running, scaledToZero)},
	{kind: "gone", scripts: checkedObjectsGone},
	{kind: "twice", passes: true, scripts: typedTwice},
}

// leftOut leaves out one command of the solution.
func leftOut(_ *format.Step, _ string, all []statement) (out []attempt) {
	count := 0
	for _, s := range all {
		if s.acts {
			count++
		}
	}
	if count < 2 {
		return nil // without it nothing was done: the proof of the solution sees to that
	}
	for i, s := range all {
		if s.acts {
			out = append(out, attempt{fmt.Sprint(i + 1), tolerant(without(all, i))})
		}
	}
	return out
}

// inAnotherNamespace does all of it where nobody looks.
func inAnotherNamespace(_ *format.Step, solution string, all []statement) []attempt {
	inNamespaces := slices.ContainsFunc(all, func(s statement) bool {
		return s.acts && strings.Contains(s.text, "kubectl") && !strings.Contains(s.text, " node ")
	})
	if !inNamespaces { // a node is in none
		return nil
	}
	return []attempt{{"", tolerant(`kubectl create namespace "$LAB_NAMESPACE` + elsewhere + `"
kubectl() { command kubectl --namespace "$LAB_NAMESPACE` + elsewhere + `" "$@"; }
` + solution)}}
}

// podsMatched gives the pods that run the labels which Services look for in vain.
func podsMatched(step *format.Step, _ string, _ []statement) []attempt {
	if !looksAt(step, endpoints) {
		return nil
	}
	return []attempt{{"", tolerant(`for file in *.yaml; do kubectl apply -f "$file"; done
for service in $(kubectl get services -o name); do
  labels=$(kubectl get "$service" -o go-template='{{range $k, $v := .spec.selector}}{{$k}}={{$v}} {{end}}')
  [ -n "$labels" ] && kubectl label pods --all --overwrite $labels
done`)}}
}

// What checks look at: those that keep pods, what Services found, and what runs.
var (
	keepers   = []string{"Deployment", "ReplicaSet", "DaemonSet"}
	endpoints = []string{"EndpointSlice"}
	running   = []string{"Deployment", "ReplicaSet", "Pod", "EndpointSlice"}
)

// looksAt says whether a check of the step reads objects of one of the kinds, and wants
// them to be there.
func looksAt(step *format.Step, kinds []string) bool {
	return slices.ContainsFunc(step.Checks, func(c check.Check) bool {
		switch k := c.Kind.(type) {
		case *check.List:
			return slices.Contains(kinds, k.Kind) || slices.Contains(kinds, keepers[0]) && mentionsKeeper(c.Expr)
		case *check.Object:
			return slices.Contains(kinds, k.Kind) && !k.Absent
		}
		return false
	})
}

// isDaemons says whether the step is about a DaemonSet: its pods come back, and it has no
// number that could be set.
func isDaemons(step *format.Step) bool {
	return slices.ContainsFunc(step.Checks, func(c check.Check) bool {
		o, ok := c.Kind.(*check.Object)
		return ok && o.Kind == "DaemonSet" || strings.Contains(c.Expr.Source(), `"DaemonSet/`)
	})
}

// mentionsKeeper says whether an expression asks who keeps a pod.
func mentionsKeeper(e *field.Expr) bool {
	return strings.Contains(e.Source(), "controller(") || strings.Contains(e.Source(), "owners[")
}

// orphaned takes away whatever keeps pods, and leaves the pods.
const orphaned = `kubectl delete deployments,replicasets,daemonsets --all --cascade=orphan`

// scaledToZero leaves the objects, and nothing that runs.
const scaledToZero = `kubectl scale deployments,replicasets --all --replicas=0
kubectl delete pods --all`

// afterwards does the solution, and then something that undoes its sense.
func afterwards(kinds []string, undo string) func(*format.Step, string, []statement) []attempt {
	return func(step *format.Step, solution string, _ []statement) []attempt {
		if !looksAt(step, kinds) || undo == scaledToZero && isDaemons(step) {
			return nil
		}
		return []attempt{{"", tolerant(solution + "\n" + undo)}}
	}
}

// checkedObjectsGone does the solution, and deletes what is looked at.
func checkedObjectsGone(step *format.Step, solution string, _ []statement) (out []attempt) {
	seen := map[string]bool{}
	for i := range step.Checks {
		o, ok := step.Checks[i].Kind.(*check.Object)
		if !ok || o.Absent || o.Namespace != nil || strings.Contains(o.Name.Source(), "{{") {
			continue
		}
		kind, name := strings.ToLower(o.Kind), o.Name.Source()
		if seen[kind+name] {
			continue
		}
		seen[kind+name] = true
		out = append(out, attempt{kind + "-" + name, tolerant(solution + "\nkubectl delete " + kind + " " + name)})
	}
	return out
}

// typedTwice does the solution once more: whoever types a command twice is not wrong.
func typedTwice(_ *format.Step, solution string, _ []statement) []attempt {
	return []attempt{{"", "(\n" + solution + "\n)\n" + tolerant(solution)}}
}

// tolerant goes on where a command fails, as a learner does.
func tolerant(script string) string { return "set +e +o pipefail\n" + script + "\ntrue\n" }

// elsewhere is the end of the name of the namespace where nobody looks.
const elsewhere = "-elsewhere"

// derivedWays are all of them, of all steps.
func derivedWays(lab *format.Lab) ([]way, error) {
	var out []way
	for i := range lab.Steps {
		data, err := fs.ReadFile(lab.FS, lab.Solution(i))
		if err != nil {
			return nil, fmt.Errorf("reading the solution of step %s: %w", lab.Steps[i].ID, err)
		}
		all, err := statements(lab.Solution(i), string(data))
		if err != nil {
			return nil, err
		}
		for _, kind := range shortcuts {
			for _, s := range kind.scripts(&lab.Steps[i], string(data), all) {
				name := strings.Join(slices.DeleteFunc([]string{kind.kind, s.part}, func(s string) bool { return s == "" }), "-")
				d := &derivation{step: i, name: lab.Steps[i].ID + "/" + name, script: s.script, passes: kind.passes}
				d.allowed = lab.IsAllowed(d.name)
				out = append(out, way{name: Derived + "/" + d.name, reaches: i, walk: d.walk})
			}
		}
	}
	return out, nil
}

// derivation is one derived way.
type derivation struct {
	step    int
	name    string
	script  string
	passes  bool
	allowed *format.Allowed
}

func (d *derivation) walk(ctx context.Context, w *walk) (detail string, err error) {
	if d.passes && d.allowed != nil {
		return "not tried: " + d.allowed.Why.EN, nil
	}
	if err := w.build(ctx, d.step); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, w.removeElsewhere(ctx)) }()
	if err := w.typeIn(ctx, d.script); err != nil {
		return "", brokenf("it can't be typed: %v", err)
	}
	passed, last, err := w.settled(ctx, d.step)
	switch {
	case err != nil:
		return "", err
	case d.passes && !passed:
		return "", brokenf("the solution typed twice doesn't pass: %s", describe(last))
	case d.passes:
		return "passes", nil
	case passed && d.allowed == nil:
		return "", brokenf("passes the step: %s", strings.TrimSpace(d.script))
	case passed:
		return "right after all: " + d.allowed.Why.EN, nil
	case d.allowed != nil:
		return "", brokenf("the lab says that this is right after all, and it fails: %s", describe(last))
	}
	return "fails at " + strings.Join(failing(last), ", "), nil
}
