package volumes

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/types"
)

// TearDown unmounts and removes everything of a pod below the agent's directory;
// call it when the pod's containers are gone. It works from what it finds there,
// so it also removes what an earlier process of the agent set up. Paths of the node
// (hostPath, local) are not below it, and as long as anything is mounted in there
// nothing is removed.
func (m *Manager) TearDown(ctx context.Context, uid types.UID) error {
	if uid == "" || filepath.Base(string(uid)) != string(uid) || uid == "." || uid == ".." {
		return fmt.Errorf("%q is not a pod UID", uid)
	}
	state := m.state(uid)
	state.mu.Lock()
	defer state.mu.Unlock()
	state.gone = true
	if err := m.removePod(ctx, uid); err != nil {
		return fmt.Errorf("taking away the volumes of pod %s: %w", uid, err)
	}
	m.tokens.forget(uid)
	m.mu.Lock()
	delete(m.pods, uid)
	m.mu.Unlock()
	return nil
}

// removePod unmounts from the innermost mount outwards and removes the directory only if
// nothing is mounted any more: removing what is mounted would remove somebody's data.
func (m *Manager) removePod(ctx context.Context, uid types.UID) error {
	dir := m.podDir(uid)
	points, err := m.cfg.Mounter.Mounts(dir)
	if err != nil {
		return err
	}
	for i := len(points) - 1; i >= 0; i-- {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := m.cfg.Mounter.Unmount(points[i]); err != nil {
			return err
		}
	}
	left, err := m.cfg.Mounter.Mounts(dir)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("still mounted, so nothing is removed yet: %v", left)
	}
	return os.RemoveAll(dir)
}
