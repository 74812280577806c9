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

// Remove takes the lab's world away: the namespace and what goes with it, what
// setup did on machines, and the files handed out (those that were edited are
// kept beside, as NAME.old).
func (s *Session) Remove(ctx context.Context) error {
	if err := s.removeObjects(ctx); err != nil {
		return err
	}
	if err := s.undoSetup(ctx); err != nil {
		return fmt.Errorf("taking back what the lab did on machines: %w", err)
	}
	return s.setFilesAside()
}

// undoSetup undoes what setup did on machines, the last first.
func (s *Session) undoSetup(ctx context.Context) error {
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

// setFilesAside moves edited files aside, so that setup hands out new ones.
func (s *Session) setFilesAside() error {
	entries, err := fs.ReadDir(s.Lab.FS, "files")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the lab's files: %w", err)
	}
	who, _ := s.Env.Scripter()
	return who.Do(func() error {
		for _, e := range entries {
			path := filepath.Join(s.work(), e.Name())
			if err := os.Rename(path, path+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("moving %s aside: %w", path, err)
			}
		}
		return nil
	})
}

// removeNamespace deletes the namespace and waits until it is gone. Pods are
// killed quickly first: a shell that ignores SIGTERM would cost 30 s each.
func (s *Session) removeNamespace(ctx context.Context) error {
	ns := s.world(&progress.Lab{}) // of any attempt
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
