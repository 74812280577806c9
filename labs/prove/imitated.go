package prove

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"noriter.dev/noriter/internal/shell"
	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/format"
)

// answeredByBarePods puts pods that nobody keeps where a check looks for who answers,
// instead of what the solution makes or mends. They say all that the checks want to hear.
// A solution that runs bare pods itself is no other way than this.
func answeredByBarePods(s *solved) []attempt {
	if slices.ContainsFunc(s.commands("kubectl"), func(words []string) bool { return slices.Contains(words, "run") }) {
		return nil
	}
	imitations := ""
	for i, who := range answerers(s.step) {
		imitations += who.imitation(i, saying(s.step))
	}
	if imitations == "" {
		return nil
	}
	return []attempt{{script: tolerant(`for file in *.yaml; do kubectl apply -f "$file"; done
` + imitations + "kubectl wait --for=condition=Ready pods -l imitation --timeout=20s\n" + asking(s))}}
}

// answerer is whom a check asks: pods with labels, those behind a Service, or one pod by name.
type answerer struct{ labels, service, pod string }

// answerers are those whom the checks of a step ask, or look for behind a Service.
func answerers(step *format.Step) (out []answerer) {
	add := func(a answerer) {
		if a != (answerer{}) && !slices.Contains(out, a) && !strings.Contains(a.labels+a.service+a.pod, "{{") {
			out = append(out, a)
		}
	}
	for i := range step.Checks {
		switch k := step.Checks[i].Kind.(type) {
		case *check.List:
			if service, ok := strings.CutPrefix(k.Selector.Source(), "kubernetes.io/service-name="); ok && k.Kind == "EndpointSlice" {
				add(answerer{service: service})
			}
		case *check.HTTP:
			switch {
			case k.NodePort != nil:
				add(answerer{service: k.NodePort.Service.Source()})
			case k.Service != nil:
				add(answerer{service: k.Service.Source()})
			case k.URL != nil:
				host, _, _ := strings.Cut(strings.TrimPrefix(k.URL.Source(), "http://"), "/")
				add(answerer{service: host})
			default:
				add(answerer{labels: k.Selector.Source(), pod: k.Pod.Source()})
			}
		}
	}
	return out
}

// imitation is the commands that put pods in the place of whom a check asks: three, as
// some want to see more than one, or the one by its name.
func (a answerer) imitation(i int, saying string) string {
	run := "kubectl run %s --image=noriter/hello:v2 --labels=imitation=true,%s " + saying + "\n"
	if a.pod != "" {
		return fmt.Sprintf(run, a.pod, "app="+a.pod)
	}
	labels, begin := a.labels, ""
	if a.service != "" {
		labels = `"${labels%,}"`
		begin = "labels=$(kubectl get service " + a.service + " -o go-template='{{range $k, $v := .spec.selector}}{{$k}}={{$v}},{{end}}')\n"
	}
	pods := ""
	for k := range 3 {
		pods += fmt.Sprintf(run, fmt.Sprintf("imitation-%d-%d", i+1, k+1), labels)
	}
	return begin + pods
}

// wantedText are the texts that an expression looks for in an answer.
var wantedText = regexp.MustCompile(`[.](?:contains|startsWith)\(("[^"]*"|'[^']*')\)`)

// saying is the environment by which the image hello says what the checks look for.
func saying(step *format.Step) string {
	var texts []string
	port := "8080"
	for i := range step.Checks {
		k, ok := step.Checks[i].Kind.(*check.HTTP)
		if !ok {
			continue
		}
		if k.Pod != nil && k.Port != nil {
			if n, err := k.Port.Value(context.Background(), expr.Scope{}); err == nil {
				port = strconv.Itoa(n)
			}
		}
		for _, m := range wantedText.FindAllStringSubmatch(step.Checks[i].Expr.Source(), -1) {
			if text := strings.TrimSuffix(m[1][1:len(m[1])-1], " from"); !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
		}
	}
	return "--env=MESSAGE=" + shell.Quote(strings.Join(texts, " ")) + " --env=PORT=" + port
}

// asking are those statements of a solution that make and mend nothing: what they see they
// keep for later, or they ask something within a container.
func asking(s *solved) string {
	var lines []string
	for _, one := range s.all {
		execs := slices.ContainsFunc(one.calls, func(words []string) bool { return len(words) > 1 && words[1] == "exec" })
		if execs || assignment.MatchString(one.text) {
			lines = append(lines, one.text)
		}
	}
	return strings.Join(lines, "\n")
}

var assignment = regexp.MustCompile(`^\w+=`)

// printedByABarePod takes down what the checked pods have printed by the solution, and puts
// a pod in their place that prints just that, and does nothing.
func printedByABarePod(s *solved) (out []attempt) {
	for i := range s.step.Checks {
		k, ok := s.step.Checks[i].Kind.(*check.Log)
		if !ok || k.Selector == nil || !plainLabel.MatchString(k.Selector.Source()) {
			continue
		}
		label := k.Selector.Source()
		key, value, _ := strings.Cut(label, "=")
		out = append(out, attempt{part: s.step.Checks[i].ID, script: tolerant(s.text + `
for try in 1 2 3 4 5 6 7 8; do
  kubectl logs -l ` + label + ` --tail=50 >printed
  sleep 1 # for what its program does now and then
done
for keeper in $(kubectl get deployments,daemonsets,replicasets -o jsonpath='{range .items[?(@.spec.template.metadata.labels.` + key + `=="` + value + `")]}{.kind}/{.metadata.name} {end}'); do
  kubectl delete "$keeper"
done
kubectl wait --for=delete pods -l ` + label + ` --timeout=30s
kubectl run printer --image=busybox:1.37 --labels=` + label + ` --overrides='{"spec":{"terminationGracePeriodSeconds":1}}' -- sh -c 'echo "$0"; sleep 1d' "$(cat printed)"
kubectl wait --for=condition=Ready pod/printer --timeout=20s`)})
	}
	return out
}

// plainLabel is a label selector with one label, as a program can write it on an object.
var plainLabel = regexp.MustCompile(`^[A-Za-z][\w-]*=[\w.-]+$`)
