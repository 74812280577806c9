package histories

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// live lives one history from nothing to nothing: the actions with a look at the
// status after each, then an up and a down. It gives the first promise that breaks.
func (w *world) live(h history) (done int, err error) {
	w.bed, w.keys, w.full = h.bed, keys{}, false
	defer w.scrub()
	if err := w.begin(); err != nil {
		return 0, err
	}
	for i, a := range h.acts {
		w.say(" %d. %s", i+1, a)
		if err := rowOf(a.name).do(w, a.args); err != nil {
			return i + 1, err
		}
		if err := w.checkStatus(); err != nil {
			return i + 1, err
		}
		if err := w.checkBeside(); err != nil {
			return i + 1, err
		}
	}
	return len(h.acts), w.finish()
}

// begin makes what a testbed is made in.
func (w *world) begin() error {
	if err := w.mountDisk(); err != nil {
		return err
	}
	if err := w.copyCache(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(w.learner()), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(w.learner(), []byte("progress\n"), 0o644); err != nil {
		return err
	}
	if err := w.ensureBeside(); err != nil {
		return err
	}
	w.before = w.lookAtHost()
	if w.bed.driver == "libvirt" {
		return w.unpack()
	}
	return nil
}

// finish holds the testbed, whatever became of it, to the promises of up and down.
func (w *world) finish() error {
	if err := w.free(); err != nil {
		return err
	}
	w.say(" end: up, down")
	if w.exists() {
		if err := w.up(); err != nil {
			return err
		}
	}
	if err := w.down(); err != nil {
		return err
	}
	return w.checkBeside()
}

// copyCache gives the testbed a cache of its own, or the one of all. The notes of who
// uses that one are not copied: nobody else stands on the copy.
func (w *world) copyCache() (err error) {
	own := filepath.Join(w.dir, "cache")
	if w.cash = w.common; w.bed.cache {
		w.cash = own
	}
	for range 3 { // what somebody is making there may go while it is copied
		if err = os.RemoveAll(own); err != nil || !w.bed.cache {
			return err
		}
		if err = os.Mkdir(own, 0o755); err != nil {
			return err
		}
		if _, err = run("cp", "-a", filepath.Join(w.common, "image"), filepath.Join(w.common, "images"), own); err == nil {
			return nil
		}
	}
	return err
}

// mountDisk gives the testbed a disk of its own, or takes it away.
func (w *world) mountDisk() error {
	image := filepath.Join(w.dir, "disk")
	_, _ = run("umount", w.home) // it may have none
	_ = os.Remove(image)
	if !w.bed.disk {
		return nil
	}
	for _, args := range [][]string{
		{"truncate", "-s", "5G", image}, {"mkfs.ext4", "-q", image}, {"mount", "-o", "loop", image, w.home},
	} {
		if _, err := run(args...); err != nil {
			return err
		}
	}
	return nil
}

// tally counts what was lived.
type tally struct {
	first              string // where the first history came from
	histories, actions int
	byName             map[string]int
	found              []*finding
	// failed are those that could not be lived, for reasons of this test's own.
	failed int
	// brief leaves out to live again what broke.
	brief bool
}

// finding is a promise that broke, and the shortest history in which it did.
type finding struct {
	err      *broken
	from     string
	history  history
	times    int
	repeated bool
}

func (f *finding) String() string {
	how := "it did not break when it was lived again"
	if f.repeated {
		how = "it breaks again"
	}
	return fmt.Sprintf("%s (%s, seen %d times, %s)\n  %s", f.err, f.from, f.times, how, f.history)
}

// tries is how many runs may be spent on making a history shorter, and patience how
// long they may take.
const (
	tries    = 12
	patience = 10 * time.Minute
)

// lived notes a history that was lived, and looks into what broke.
func (t *tally) lived(w *world, d drawn, took time.Duration, done int, err error) error {
	h := d.history
	if t.histories++; t.histories == 1 {
		t.first = d.from
	}
	t.actions += done
	for _, a := range h.acts[:min(done, len(h.acts))] {
		t.byName[a.name]++
	}
	var b *broken
	if err == nil {
		return record(h, took)
	}
	if !errors.As(err, &b) {
		t.failed++
		w.say("FAILED %s, %s: %v", d.from, h, err)
		if t.failed > 3 {
			return fmt.Errorf("histories can't be lived here: %w", err)
		}
		return nil
	}
	w.say("BROKEN %s", b)
	for _, f := range t.found {
		if signature(f.err) == signature(b) {
			f.times++
			return nil
		}
	}
	f := &finding{err: b, from: d.from, history: h, times: 1}
	t.found = append(t.found, f)
	if t.brief {
		w.say("FOUND %s", f)
		return nil
	}
	if done < len(h.acts) {
		h.acts = h.acts[:done]
	}
	end := time.Now().Add(patience)
	again := func(c history) bool {
		if time.Now().After(end) {
			return false
		}
		w.say("AGAIN %s", c)
		_, err := w.live(c)
		var same *broken
		return errors.As(err, &same) && signature(same) == signature(b)
	}
	if f.repeated = again(h); f.repeated {
		f.history = shrink(h, tries, again)
	}
	w.say("FOUND %s", f)
	return nil
}

var passing = regexp.MustCompile(`[0-9][0-9a-fA-F.:]*|/\S+|nori-hist\S*`)

// signature is a broken promise without what differs from run to run.
func signature(b *broken) string {
	s := passing.ReplaceAllString(b.promise+": "+b.how, "N")
	return s[:min(len(s), 160)]
}

// end says what was lived and found, and notes it for the summary of `make test`.
func (t *tally) end(w *world, took time.Duration) {
	w.say("%s", t.report(took))
	path := os.Getenv(notesEnv)
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		w.say("%v", err)
		return
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "%s, from %s on: %s", driver(), t.first, t.report(took)); err != nil {
		w.say("%v", err)
	}
}

// report is what was lived and found.
func (t *tally) report(took time.Duration) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%d histories, %d actions in %s; %d promises broken, %d could not be lived\n", t.histories, t.actions, took.Round(time.Second), len(t.found), t.failed)
	for _, a := range actions {
		if n := t.byName[a.name]; n > 0 {
			fmt.Fprintf(&out, "  %4d %s\n", n, a.name)
		}
	}
	for _, f := range t.found {
		fmt.Fprintln(&out, f)
	}
	return out.String()
}
