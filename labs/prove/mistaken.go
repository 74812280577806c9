package prove

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/format"
)

// byAnotherName does the solution with another name for what it makes and a check reads.
func byAnotherName(s *solved) (out []attempt) {
	for i := range s.step.Checks {
		o, ok := s.step.Checks[i].Kind.(*check.Object)
		if !ok || o.Absent || o.Namespace != nil || strings.Contains(o.Name.Source(), "{{") {
			continue
		}
		name := o.Name.Source()
		in := regexp.MustCompile(`(?m)^(  name: |kubectl run |kubectl create [a-z-]+(?: [a-z-]+)? )` + regexp.QuoteMeta(name) + `\b`)
		script, changed := s.rewritten(in, "${1}"+name+"-x")
		if part := strings.ToLower(o.Kind) + "-" + name; changed && !slices.ContainsFunc(out, func(a attempt) bool { return a.part == part }) {
			out = append(out, attempt{part: part, script: tolerant(script)})
		}
	}
	return out
}

var (
	// versions are those of the images that labs have several of.
	versions = regexp.MustCompile(`\bv[1-9]\b`)
	// versionUsed is a version where a command or a manifest uses it.
	versionUsed = `([:=])%s(-[a-z0-9]+)?\b`
)

// byAnotherVersion does the solution with another version, which there is as well.
func byAnotherVersion(s *solved) (out []attempt) {
	seen := map[string]bool{}
	for i := range s.step.Checks {
		for _, version := range versions.FindAllString(s.step.Checks[i].Expr.Source(), -1) {
			if seen[version] {
				continue
			}
			seen[version] = true
			other := fmt.Sprintf("v%c", version[1]-1)
			if version == "v1" {
				other = "v2"
			}
			script, changed := s.rewritten(regexp.MustCompile(fmt.Sprintf(versionUsed, version)), "${1}"+other)
			if changed {
				out = append(out, attempt{part: other, script: tolerant(script)})
			}
		}
	}
	return out
}

// rewritten is the solution, with the files that it applies, after a replacement in both.
func (s *solved) rewritten(in *regexp.Regexp, by string) (script string, changed bool) {
	script = in.ReplaceAllString(s.text, by)
	changed = script != s.text
	for _, file := range s.applied() {
		data, err := fs.ReadFile(s.lab.FS, "files/"+file)
		if err != nil {
			continue // the solution writes it itself
		}
		if text := in.ReplaceAllString(string(data), by); text != string(data) {
			changed = true
			script = "cat >" + file + " <<'REWRITTEN'\n" + text + "REWRITTEN\n" + script
		}
	}
	return script, changed
}

// applied are the files that a solution gives to kubectl.
func (s *solved) applied() (files []string) {
	for _, words := range s.commands("kubectl") {
		if i := slices.Index(words, "-f"); i >= 0 && i+1 < len(words) && strings.HasSuffix(words[i+1], ".yaml") {
			files = append(files, words[i+1])
		}
	}
	return files
}

// onAnotherMachine does on one worker what is meant for the other, where a check names one.
func onAnotherMachine(s *solved) []attempt {
	worker := regexp.MustCompile(`\bnode[12]\b`)
	acts := slices.ContainsFunc(s.all, func(one statement) bool { return one.acts && worker.MatchString(one.text) })
	if !acts || !namesMachine(s.step, worker) {
		return nil
	}
	script := worker.ReplaceAllStringFunc(s.text, func(name string) string {
		return map[string]string{"node1": "node2", "node2": "node1"}[name]
	})
	return []attempt{{script: tolerant(script)}}
}

func namesMachine(step *format.Step, worker *regexp.Regexp) bool {
	return slices.ContainsFunc(step.Checks, func(c check.Check) bool {
		n, ok := c.Kind.(*check.Node)
		return ok && worker.MatchString(n.On.Source()) || worker.MatchString(c.Expr.Source())
	})
}
