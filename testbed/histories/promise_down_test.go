package histories

import (
	"os"
	"path/filepath"
	"strings"
)

// down runs `nori down`, which must leave nothing, or say what to type.
func (w *world) down() error {
	r, err := w.obey("down")
	if err != nil {
		return err
	}
	if r.code != 0 {
		if w.inTheWay && strings.TrimSpace(said(r.out)) != "" {
			return nil // it says what is in its way, which the history put there
		}
		return breaks(goneWhole, "nori down failed: %s", said(r.out))
	}
	return w.gone()
}

// gone compares the host with what it was before.
func (w *world) gone() error {
	now := w.lookAtHost()
	if w.bed.cache { // it was damaged, and may be mended
		delete(w.before, "cache")
		delete(now, "cache")
	}
	if diff := w.before.differs(now); diff != "" {
		promise := goneWhole
		if strings.Contains(diff, "there is no more") {
			promise = hostWhole
		}
		return breaks(promise, "%s", diff)
	}
	if b, err := os.ReadFile(w.learner()); err != nil || string(b) != "progress\n" {
		return breaks(hostWhole, "a learner's progress is gone: %v", err)
	}
	return nil
}

// learner is a file of a learner's progress, which only the learner removes.
func (w *world) learner() string { return filepath.Join(w.home, "learner", "progress") }
