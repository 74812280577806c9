package prove

import (
	"fmt"
	"slices"
	"strings"

	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/field"
	"noriter.dev/noriter/labs/format"
)

// leftOut leaves out one command of the solution.
func leftOut(s *solved) (out []attempt) {
	all := s.all
	count := 0
	for _, one := range all {
		if one.acts {
			count++
		}
	}
	if count < 2 {
		return nil // without it nothing was done: the proof of the solution sees to that
	}
	for i, one := range all {
		if one.acts {
			out = append(out, attempt{part: fmt.Sprint(i + 1), script: tolerant(without(all, i))})
		}
	}
	return out
}

// inAnotherNamespace does all of it where nobody looks. Where a solution makes nothing, its
// commands would find nothing there.
func inAnotherNamespace(s *solved) []attempt {
	if !makes(s) {
		return nil
	}
	return []attempt{{script: tolerant(`kubectl create namespace "$LAB_NAMESPACE` + elsewhere + `"
kubectl() { command kubectl --namespace "$LAB_NAMESPACE` + elsewhere + `" "$@"; }
` + s.text)}}
}

// podsMatched gives the pods that run the labels which Services look for in vain.
func podsMatched(s *solved) []attempt {
	if !looksAt(s.step, endpoints) {
		return nil
	}
	return []attempt{{script: tolerant(`for file in *.yaml; do kubectl apply -f "$file"; done
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
func afterwards(kinds []string, undo string) func(*solved) []attempt {
	return func(s *solved) []attempt {
		if !looksAt(s.step, kinds) || undo == scaledToZero && isDaemons(s.step) {
			return nil
		}
		return []attempt{{script: tolerant(s.text + "\n" + undo)}}
	}
}

// checkedObjectsGone does the solution, and deletes what is looked at.
func checkedObjectsGone(s *solved) (out []attempt) {
	seen := map[string]bool{}
	for i := range s.step.Checks {
		o, ok := s.step.Checks[i].Kind.(*check.Object)
		if !ok || o.Absent || o.Namespace != nil || strings.Contains(o.Name.Source(), "{{") {
			continue
		}
		kind, name := strings.ToLower(o.Kind), o.Name.Source()
		if seen[kind+name] {
			continue
		}
		seen[kind+name] = true
		out = append(out, attempt{part: kind + "-" + name, script: tolerant(s.text + "\nkubectl delete " + kind + " " + name)})
	}
	return out
}

// typedTwice does the solution once more: whoever types a command twice is not wrong.
func typedTwice(s *solved) []attempt {
	return []attempt{{script: "(\n" + s.text + "\n)\n" + tolerant(s.text)}}
}

// tolerant goes on where a command fails, as a learner does.
func tolerant(script string) string { return "set +e +o pipefail\n" + script + "\ntrue\n" }

// elsewhere is the end of the name of the namespace where nobody looks.
const elsewhere = "-elsewhere"
