package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/progress"
	"noriter.dev/noriter/labs/world"
)

// How long a namespace may take to go: by itself, and then with force.
const (
	goneLimit   = 40 * time.Second
	forcedLimit = 40 * time.Second
)

// Reset puts the lab's world back to its beginning and keeps the score
// history. A reset that was interrupted is completed by the next Start.
func (s *Session) Reset(ctx context.Context, say Say) error {
	return s.alone(ctx, say, s.reset)
}

func (s *Session) reset(ctx context.Context, say Say) error {
	err := s.Store.Update(func(all *progress.State) error {
		old := all.Labs[s.Lab.ID]
		if old == nil {
			all.Labs[s.Lab.ID] = s.fresh(nil)
			old = all.Labs[s.Lab.ID]
		} else if old.Phase == progress.Underway && anyPassed(old) {
			old.History = append(old.History, attempt(s.Lab, old, false))
		}
		old.Phase = progress.Resetting
		all.Current = s.Lab.ID
		return nil
	})
	if err != nil {
		return err
	}
	say(lang.T("removing the namespace "+s.Namespace, "네임스페이스 "+s.Namespace+"을(를) 지웁니다"))
	if err := s.Remove(ctx); err != nil {
		return err
	}
	err = s.Store.Update(func(all *progress.State) error {
		all.Labs[s.Lab.ID] = s.fresh(all.Labs[s.Lab.ID])
		return nil
	})
	if err != nil {
		return err
	}
	return s.setup(ctx, say)
}

func anyPassed(l *progress.Lab) bool {
	for _, st := range l.Steps {
		if st.Passed != nil {
			return true
		}
	}
	return false
}

// Remove takes the lab's world away: the namespace, what setup did on
// machines, and the files handed out (those that were edited are kept
// beside, as NAME.old).
func (s *Session) Remove(ctx context.Context) error {
	if err := s.removeNamespace(ctx); err != nil {
		return err
	}
	if err := s.takeBack(ctx); err != nil {
		return fmt.Errorf("taking back what the lab did on machines: %w", err)
	}
	return s.takeFilesBack()
}

// takeBack undoes what setup did on machines, the last first.
func (s *Session) takeBack(ctx context.Context) error {
	state, err := s.State()
	if errors.Is(err, ErrNotStarted) {
		return nil
	}
	if err != nil {
		return err
	}
	for i := len(s.Lab.Setup) - 1; i >= 0; i-- {
		n := s.Lab.Setup[i].Node
		if n == nil || n.Undo == nil {
			continue
		}
		if err := s.onNodes(ctx, state, n.On, n.Undo); err != nil {
			return err
		}
	}
	return nil
}

// Leave closes the lab: the progress stays, the learner's kubectl goes back
// to the default namespace.
func (s *Session) Leave() error {
	err := s.Store.Update(func(all *progress.State) error {
		if all.Current == s.Lab.ID {
			all.Current = ""
		}
		return nil
	})
	return errors.Join(err, SetNamespace(s.Env.Kubeconfig, ""))
}

// takeFilesBack moves edited files aside, so that setup hands out new ones.
func (s *Session) takeFilesBack() error {
	entries, err := fs.ReadDir(s.Lab.FS, "files")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the lab's files: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(s.Env.Work(s.Lab.ID), e.Name())
		if err := os.Rename(path, path+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("moving %s aside: %w", path, err)
		}
	}
	return nil
}

// removeNamespace deletes the namespace and waits until it is gone. Pods are
// killed quickly first: a shell that ignores SIGTERM would cost 30 s each.
func (s *Session) removeNamespace(ctx context.Context) error {
	ns := &world.Namespace{Cluster: s.Cluster, Name: s.Namespace} // of any attempt
	if gone, err := ns.IsGone(ctx); err != nil || gone {
		return err
	}
	if err := ns.Delete(ctx); err != nil {
		return err
	}
	if err := s.killPods(ctx, 1); err != nil {
		return err
	}
	what := lang.Textf("the namespace %s to go", "네임스페이스 %s의 삭제", s.Namespace)
	if err := world.Until(ctx, s.patient(goneLimit), what, ns.IsGone); err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	// Something holds it: a node that doesn't answer, a finalizer.
	if err := s.killPods(ctx, 0); err != nil {
		return err
	}
	if err := s.dropFinalizers(ctx); err != nil {
		return err
	}
	if err := world.Until(ctx, s.patient(forcedLimit), what, ns.IsGone); err != nil {
		return fmt.Errorf("%w\n    remedy: `%s kubectl get namespace %s -o yaml` says what is left in it", err, s.Env.Nori(), s.Namespace)
	}
	return nil
}

// patient is a limit for a machine as slow as this one is said to be.
func (s *Session) patient(limit time.Duration) time.Duration {
	return limit * time.Duration(max(s.Env.Patience, 1))
}

// killPods deletes all pods of the namespace with so many seconds of grace.
func (s *Session) killPods(ctx context.Context, grace int64) error {
	pods, err := s.Cluster.List(ctx, "Pod", "v1", s.Namespace, "")
	if err != nil {
		return err
	}
	client := s.Cluster.Dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).Namespace(s.Namespace)
	for i := range pods {
		err := client.Delete(ctx, pods[i].GetName(), metav1.DeleteOptions{GracePeriodSeconds: &grace})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting the pod %s: %w", pods[i].GetName(), err)
		}
	}
	return nil
}

// held are the kinds on which learners and controllers put finalizers.
var held = []string{"Pod", "ReplicaSet", "Deployment", "Service", "Job", "PersistentVolumeClaim"}

// dropFinalizers removes the finalizers of what is still there.
func (s *Session) dropFinalizers(ctx context.Context) error {
	for _, kind := range held {
		m, err := s.Cluster.Resource(kind, "")
		if err != nil {
			continue // this cluster doesn't have the kind, so nothing of it is left
		}
		items, err := s.Cluster.List(ctx, kind, "", s.Namespace, "")
		if err != nil {
			return err
		}
		for i := range items {
			if len(items[i].GetFinalizers()) == 0 {
				continue
			}
			_, err := s.Cluster.Dynamic.Resource(m.Resource).Namespace(s.Namespace).Patch(ctx, items[i].GetName(),
				types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
			if err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("removing the finalizers of %s: %w", items[i].GetName(), err)
			}
		}
	}
	return nil
}

// ErrDone means that a lab has no open step: it was finished.
var ErrDone = errors.New("the lab is finished")

// ResetStep puts the open step back to its beginning, for a learner who broke what
// it can't be passed without: what was passed before stays passed. One that was
// interrupted is completed by the next Start.
func (s *Session) ResetStep(ctx context.Context, say Say) error {
	return s.alone(ctx, say, s.resetStep)
}

func (s *Session) resetStep(ctx context.Context, say Say) error {
	state, err := s.State()
	if err != nil {
		return err
	}
	switch state.Phase {
	case progress.Done:
		return ErrDone
	case progress.Underway:
	default:
		return s.start(ctx, say) // completes what was interrupted
	}
	if err := s.Store.Update(func(all *progress.State) error { all.Current = s.Lab.ID; return nil }); err != nil {
		return err
	}
	say(lang.T("building the lab again up to the step "+state.Step, state.Step+" 단계까지 실습 환경을 다시 만듭니다"))
	return s.rebuild(ctx, state, say)
}

// rebuild makes the lab's world again: setup, then the solution of every step
// that the learner had passed. The learner goes on where they were.
func (s *Session) rebuild(ctx context.Context, state *progress.Lab, say Say) (err error) {
	err = s.update(func(l *progress.Lab) error {
		l.Phase = progress.Rebuilding
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.removeNamespace(ctx); err != nil { // the learner's, or what an interrupted rebuilding left
		return err
	}
	if err := s.takeBack(ctx); err != nil {
		return fmt.Errorf("taking back what the lab did on machines: %w", err)
	}
	if err := s.prepare(ctx, state, say); err != nil {
		return err
	}
	// The learner's files may be half edited; solutions start from new ones.
	dir, err := os.MkdirTemp("", "nori-lab-")
	if err != nil {
		return fmt.Errorf("making a folder for the files: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := s.handOutFiles(state, dir); err != nil {
		return err
	}
	for i := range s.Lab.Steps {
		step := &s.Lab.Steps[i]
		if !state.Passed(step.ID) {
			break
		}
		say(lang.T("replaying step "+step.ID, step.ID+" 단계를 다시 실행합니다"))
		if err := s.replay(ctx, state, i, dir); err != nil {
			return fmt.Errorf("building step %s again: %w\n    remedy: %s lab reset %s begins anew", step.ID, err, s.Env.Nori(), s.Lab.ID)
		}
	}
	// What the open step remembers has to be noted in the new world.
	return s.update(func(l *progress.Lab) error {
		l.Phase, l.StepState(l.Step).Ready, l.StepState(l.Step).Opened = progress.Underway, false, now()
		return nil
	})
}

// replay solves one step in a world of its own memory.
func (s *Session) replay(ctx context.Context, state *progress.Lab, i int, dir string) error {
	step := &s.Lab.Steps[i]
	scope := s.scope(state, step)
	scope.Files = dir
	seen, err := s.recall(ctx, scope, step)
	if err != nil {
		return err
	}
	scope.Seen = seen
	out, err := scope.Shell(ctx, s.Lab.Solution(i))
	if err != nil {
		return err
	}
	if out.Code != 0 {
		return fmt.Errorf("its solution ended with status %d: %s", out.Code, out.Stderr)
	}
	err = world.Until(ctx, s.patient(step.Limit), lang.Textf("step %s to hold", "단계 %s의 통과", step.ID), func(ctx context.Context) (bool, error) {
		return allHold(s.plain(ctx, scope, step)), nil
	})
	if err != nil {
		return err
	}
	results, ok := s.trigger(ctx, scope, step, func(string) {})
	if !ok {
		return fmt.Errorf("the check %s doesn't hold: %s", results[len(results)-1].ID, results[len(results)-1].Actual)
	}
	return nil
}
