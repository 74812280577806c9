package prove

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing/fstest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/run"
)

// build makes the world of a step directly: the solutions before it are typed, what they
// bring is looked at, and nothing is tried out.
func (w *walk) build(ctx context.Context, at int) error {
	for i := range at {
		step := &w.lab.Steps[i]
		if err := w.remember(ctx); err != nil {
			return err
		}
		if err := w.s.Script(ctx, w.lab.Solution(i)); err != nil {
			return brokenf("step %s: %v", step.ID, err)
		}
		if err := w.skip(ctx, step); err != nil {
			return err
		}
	}
	return w.remember(ctx)
}

// buildBeat is how often it is looked whether a step may be left.
const buildBeat = 200 * time.Millisecond

func (w *walk) skip(ctx context.Context, step *format.Step) error {
	limited, cancel := context.WithTimeout(ctx, w.limit(step))
	defer cancel()
	for {
		ok, err := w.s.Skip(limited)
		if ok || err != nil && limited.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-limited.Done():
			return brokenf("building the world: step %s doesn't hold within %s", step.ID, w.limit(step))
		case <-time.After(buildBeat):
		}
	}
}

// typeIn types a script that is in no file of the lab.
func (w *walk) typeIn(ctx context.Context, script string) error {
	const name = "derived.sh"
	lab := *w.lab
	lab.FS = withFile{w.lab.FS, fstest.MapFS{name: {Data: []byte(script)}}}
	own := *w.s
	own.Lab = &lab
	return own.Script(ctx, name)
}

// withFile is a folder with one file more.
type withFile struct {
	fs.FS
	more fstest.MapFS
}

func (f withFile) Open(name string) (fs.File, error) {
	file, err := f.more.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return f.FS.Open(name)
	}
	return file, err
}

// removeElsewhere takes away what a way did where nobody looks; most did nothing there.
func (w *walk) removeElsewhere(ctx context.Context) error {
	down, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	namespaces := w.s.Cluster.Dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
	err := namespaces.Delete(down, w.s.Namespace+elsewhere, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("removing namespace %s: %w", w.s.Namespace+elsewhere, err)
	}
	return nil
}

// How a world comes to rest: nothing has changed for so long.
const (
	restBeat  = 300 * time.Millisecond
	restBeats = 5
)

// settled watches until the step passes, or nothing in its world changes any more. It looks
// whenever something has changed, as a learner's screen does, and once more at the end.
func (w *walk) settled(ctx context.Context, at int) (passed bool, last run.Update, err error) {
	end := time.Now().Add(w.limit(&w.lab.Steps[at]))
	before, same := "", restBeats
	for {
		world, err := w.fingerprint(ctx)
		if err != nil {
			return false, last, err
		}
		if same++; world != before {
			same = 0
		}
		if same == 0 || same >= restBeats {
			found := last.Results
			if last, err = w.s.Look(ctx); err != nil || last.Passed {
				return last.Passed, last, err
			}
			if same >= restBeats && slices.Equal(found, last.Results) || time.Now().After(end) {
				return false, last, nil
			}
			same = 0
		}
		before = world
		if err := pause(ctx, restBeat); err != nil {
			return false, last, err
		}
	}
}

// fingerprint tells one state of the namespace's pods and endpoints from another.
func (w *walk) fingerprint(ctx context.Context) (string, error) {
	text := ""
	for _, kind := range []struct{ kind, version string }{{"Pod", "v1"}, {"EndpointSlice", "discovery.k8s.io/v1"}} {
		objects, err := w.s.Cluster.List(ctx, kind.kind, kind.version, w.s.Namespace, "")
		if err != nil {
			return "", err
		}
		for i := range objects {
			text += objects[i].GetName() + " " + objects[i].GetResourceVersion() + "\n"
		}
	}
	return text, nil
}
