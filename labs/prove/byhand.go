package prove

import (
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"noriter.dev/noriter/internal/shell"
	"noriter.dev/noriter/labs/check"
)

// writtenByHand writes what a check reads where it reads it, and does nothing else.
func writtenByHand(s *solved) (out []attempt) {
	for i := range s.step.Checks {
		for _, m := range marksOf(&s.step.Checks[i]) {
			if !m.label || makes(s) { // a label alone is a shortcut where the pods are still to be made
				out = append(out, attempt{part: m.part(), script: tolerant(m.command())})
			}
		}
		if file, ok := fileOf(&s.step.Checks[i]); ok && len(s.commands("nori")) == 0 {
			out = append(out, attempt{part: s.step.Checks[i].ID, script: tolerant(file)})
		}
	}
	slices.SortFunc(out, func(a, b attempt) int { return strings.Compare(a.part, b.part) })
	return slices.CompactFunc(out, func(a, b attempt) bool { return a.part == b.part })
}

// makes says whether a solution makes something that wasn't there.
func makes(s *solved) bool {
	return slices.ContainsFunc(s.commands("kubectl"), func(words []string) bool {
		return len(words) > 1 && slices.Contains([]string{"apply", "create", "run", "expose"}, words[1])
	})
}

// mark is a label or an annotation that a check wants, with its value, on an object or on
// all of a kind.
type mark struct {
	label      bool
	kind, name string
	key, value string
}

func (m mark) part() string {
	return strings.ToLower(m.kind) + "-" + regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(m.key), "-")
}

func (m mark) command() string {
	verb, whom := "annotate", "--all"
	if m.label {
		verb = "label"
	}
	if m.name != "" {
		whom = m.name
	}
	return "kubectl " + verb + " " + strings.ToLower(m.kind) + " " + whom + " --overwrite " + shell.Quote(m.key+"="+m.value)
}

var (
	// markWanted is a mark in an expression: whose, which, and the value it must have.
	markWanted = regexp.MustCompile(`(\w+)\.metadata\.\??(annotations|labels)\[\?["']([^"']+)["']\]\.orValue\(["']["']\) == ["']([^"']+)["']`)
	// podVariable is what an expression calls each of all pods.
	podVariable = regexp.MustCompile(`\bpods\.(?:exists|filter|all|map)\((\w+),`)
)

// marksOf are the marks that a check looks for, in its expression or by its selector.
func marksOf(c *check.Check) (out []mark) {
	kind, name := "", ""
	switch k := c.Kind.(type) {
	case *check.Object:
		if k.Absent || k.Namespace != nil || strings.Contains(k.Name.Source(), "{{") {
			return nil
		}
		kind, name = k.Kind, k.Name.Source()
	case *check.List:
		if kind = k.Kind; kind == "Pod" && plainLabel.MatchString(k.Selector.Source()) {
			key, value, _ := strings.Cut(k.Selector.Source(), "=")
			out = append(out, mark{true, "Pod", "", key, value})
		}
	}
	var pods []string
	for _, m := range podVariable.FindAllStringSubmatch(c.Expr.Source(), -1) {
		pods = append(pods, m[1])
	}
	for _, m := range markWanted.FindAllStringSubmatch(c.Expr.Source(), -1) {
		found := mark{m[2] == "labels", kind, name, m[3], m[4]}
		if m[1] != "object" && slices.Contains(pods, m[1]) {
			found.kind, found.name = "Pod", ""
		}
		if found.kind != "" {
			out = append(out, found)
		}
	}
	return out
}

var (
	catFile  = regexp.MustCompile(`^(?:sudo )?cat (/[\w./-]+)$`)
	fileSays = regexp.MustCompile(`(?:==|contains\() ?(["'])(.+?)["']`)
)

// fileOf is the command that writes into the file that a check reads on a machine what it
// wants to read.
func fileOf(c *check.Check) (command string, ok bool) {
	n, isNode := c.Kind.(*check.Node)
	if !isNode || strings.Contains(n.On.Source(), "{{") {
		return "", false
	}
	file, says := catFile.FindStringSubmatch(n.Run.Source()), fileSays.FindStringSubmatch(c.Expr.Source())
	if file == nil || says == nil {
		return "", false
	}
	return "nori ssh " + n.On.Source() + ` -- "echo ` + shell.Quote(says[2]) + " > " + file[1] + `"`, true
}

// pulledByHand has the machines pull the images that pods want, with whatever password the
// lab knows and no questions asked, instead of naming the right image or giving the password.
func pulledByHand(s *solved) []attempt {
	names := slices.ContainsFunc(s.commands("kubectl"), func(words []string) bool {
		return slices.Contains(words, "image") || slices.Contains(words, "secret")
	})
	if !names {
		return nil
	}
	return s.imagesByHand(`ctr -n k8s.io images pull --plain-http "$image" || ctr -n k8s.io images pull -k` + s.account() + ` "$image"`)
}

// taggedByHand gives another image, which is there, the name that pods want, instead of
// settling anything on the machines.
func taggedByHand(s *solved) []attempt {
	settles := slices.ContainsFunc(s.all, func(one statement) bool { return one.acts && !inCluster(one) })
	if !settles || len(s.commands("nori")) == 0 {
		return nil
	}
	return s.imagesByHand(`ctr -n k8s.io images tag --force docker.io/noriter/hello:v2 "$image"`)
}

// imagesByHand does by a command on the machines what the solution settles about images.
// What it changes in the cluster beside that stays; where that is all, it goes as well.
func (s *solved) imagesByHand(command string) []attempt {
	if !aboutImages(s) {
		return nil
	}
	kept, settles := "", false
	for _, one := range s.all {
		if inCluster(one) {
			kept += one.text + "\n"
		} else if one.acts {
			settles = true
		}
	}
	if !settles {
		kept = ""
	}
	return []attempt{{script: tolerant(kept + `images=$(kubectl get deployments,daemonsets,replicasets -o jsonpath='{.items[*].spec.template.spec.containers[*].image}')
for node in $(kubectl get nodes -l '!node-role.kubernetes.io/control-plane' -o jsonpath='{.items[*].metadata.name}'); do
  for image in $images; do
    nori ssh "$node" -- "image=$image; ` + strings.ReplaceAll(command, `"$image"`, `\$image`) + `" </dev/null
  done
done
kubectl delete pods --all --wait=false`)}}
}

// inCluster says whether a statement is for kubectl alone, and is about no password.
func inCluster(one statement) bool {
	return !slices.ContainsFunc(one.calls, func(words []string) bool {
		return words[0] != "kubectl" || slices.Contains(words, "secret")
	})
}

// aboutImages says whether a step looks at images, in a lab that goes to the machines.
func aboutImages(s *solved) bool {
	return s.toMachines() && slices.ContainsFunc(s.step.Checks, func(c check.Check) bool {
		return strings.Contains(c.Expr.Source(), ".image") || strings.Contains(c.Expr.Source(), "imagePullSecrets")
	})
}

func (s *solved) toMachines() bool {
	for one := s; one != nil; one = one.before {
		if len(one.commands("nori")) > 0 {
			return true
		}
	}
	return false
}

var account = regexp.MustCompile(`--docker-username=(\w+)\s+--docker-password=(\w+)`)

// account is the account at a registry that the lab gives away, for ctr.
func (s *solved) account() string {
	for i := range s.lab.Steps {
		text, err := fs.ReadFile(s.lab.FS, s.lab.Solution(i))
		if m := account.FindSubmatch(text); err == nil && m != nil {
			return " --user " + string(m[1]) + ":" + string(m[2])
		}
	}
	return ""
}
