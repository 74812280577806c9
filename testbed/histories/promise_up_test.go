package histories

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strings"
	"time"
)

// up runs `nori up`, which must end with a cluster that is ready, or say what to type.
func (w *world) up(flags ...string) error {
	r, err := w.obey(append(append([]string{"up"}, w.upFlags()...), flags...)...)
	switch {
	case err != nil:
		return err
	case r.code == 0:
		return w.serves("nori up")
	case w.full, w.inTheWay:
		return nil // room has to be made first; it has said what is wrong
	}
	return w.follow(r)
}

// upFlags declare the testbed; of one that exists they say the same again.
func (w *world) upFlags() []string {
	if w.exists() {
		return nil
	}
	flags := []string{"--driver", w.bed.driver, "--nodes", fmt.Sprint(w.bed.nodes)}
	if w.bed.isolated {
		flags = append(flags, "--isolated")
	}
	return flags
}

// serves holds a testbed that should be ready to be it, by looks of its own and a pod.
func (w *world) serves(after string) error {
	if err := w.learn(); err != nil {
		return breaks(upServes, "after %s: %v", after, err)
	}
	var why string
	for end := time.Now().Add(w.slow(15 * time.Second)); ; {
		var ok bool
		if ok, why = w.look().whole(); ok {
			break
		}
		if time.Now().After(end) {
			return breaks(upServes, "after %s: %s", after, why)
		}
		time.Sleep(500 * time.Millisecond)
	}
	if err := w.runPod(); err != nil {
		return breaks(upServes, "after %s a pod does not run: %v", after, err)
	}
	return nil
}

const podForm = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q},"spec":{"terminationGracePeriodSeconds":0,
"containers":[{"name":"c","image":"busybox:1.37","command":["sleep","3600"]}]}}`

// runPod runs a pod until it is Ready, and deletes it.
func (w *world) runPod() error {
	w.pods++
	pod := fmt.Sprintf("history-%d-%d", time.Now().Unix(), w.pods)
	const path = "/api/v1/namespaces/default/pods"
	if _, err := w.ask("POST", path, fmt.Sprintf(podForm, pod)); err != nil {
		return err
	}
	defer func() { _, _ = w.ask("DELETE", path+"/"+pod, "") }() // the history may break it first
	last := ""
	for end := time.Now().Add(w.slow(time.Minute)); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		b, err := w.ask("GET", path+"/"+pod, "")
		if err != nil {
			last = err.Error()
			continue
		}
		var p struct {
			Spec   struct{ NodeName string }
			Status struct {
				Phase             string
				Conditions        []struct{ Type, Status, Message string }
				ContainerStatuses []struct{ State json.RawMessage }
			}
		}
		if err := json.Unmarshal(b, &p); err != nil {
			return err
		}
		for _, c := range p.Status.Conditions {
			if c.Type == "Ready" && c.Status == "True" {
				return nil
			}
		}
		last = fmt.Sprintf("on %q: %s %v %s", p.Spec.NodeName, p.Status.Phase, p.Status.Conditions, p.Status.ContainerStatuses)
	}
	return fmt.Errorf("%.600s", last)
}

// follow types what a failed command says, until the testbed is ready.
func (w *world) follow(r result) error {
	if r.code == 3 && strings.Contains(r.out, "remedy:") {
		return nil // it is the host that lacks something
	}
	first, typed := r, map[string]bool{}
	for range 6 {
		next := w.nextAdvice(r.out, typed)
		if next == "" {
			break
		}
		typed[next] = true
		w.say("  following: %s", next)
		again, err := w.typeLine(next)
		if err != nil {
			return err
		}
		words := strings.Fields(next)
		switch {
		case again.code != 0:
			r = again
		case words[0] == "nori" && (words[1] == "up" || words[1] == "reset"):
			if w.serves(next) == nil {
				return nil
			}
		default: // what was in the way is gone: once more
			maps.DeleteFunc(typed, func(line string, _ bool) bool { return strings.HasPrefix(line, "nori up") })
			r.out = "`nori up` " + r.out
		}
	}
	if len(typed) == 0 {
		return breaks(adviceHeld, "nori %s failed and names no command to type: %s", first.args[0], said(first.out))
	}
	return breaks(adviceHeld, "nori %s failed, and what it says to type does not help: %s", r.args[0], said(r.out))
}

// typeLine types a line of a message: one of nori's own, or one for a shell.
func (w *world) typeLine(line string) (result, error) {
	if !strings.HasPrefix(line, "nori ") || strings.Contains(line, " > ") {
		if err := w.shell(line); err != nil {
			return result{}, breaks(adviceHeld, "%s, which a message says to type, failed: %v", line, err)
		}
		return result{}, nil
	}
	args := strings.Fields(line)[1:]
	if i := indexOf(args, "--name"); i >= 0 && i+1 < len(args) {
		args = append(args[:i], args[i+2:]...)
	}
	if args[0] == "up" && !w.exists() {
		args = append(args, w.upFlags()...)
	}
	return w.obey(args...)
}

// shell types a line that is not of nori alone.
func (w *world) shell(line string) error {
	c := exec.Command("sh", "-c", line)
	c.Env = append(w.command().Env, "PATH="+w.bin+":"+os.Getenv("PATH"))
	out, err := c.CombinedOutput()
	w.say("  %s: %v\n%s", line, err, indent(string(out)))
	return err
}

// nextAdvice is what a text says to type and what was not yet typed.
func (w *world) nextAdvice(text string, typed map[string]bool) string {
	for _, a := range advice(text) {
		if !typed[a] {
			return a
		}
	}
	return ""
}

func indexOf(list []string, s string) int {
	for i, l := range list {
		if l == s {
			return i
		}
	}
	return -1
}
