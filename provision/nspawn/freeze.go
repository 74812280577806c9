package nspawn

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
)

// A cgroup of version 1 can get stuck on its way to FROZEN: a process that is
// being started at that moment is waited for by one that stands already. As runc
// does, let all go on for a moment then, and try again.
const (
	freezeTimeout = 30 * time.Second
	freezeAttempt = time.Second
	freezePause   = 20 * time.Millisecond
)

// freeze stops all processes of the cgroup where they are and waits until
// they stand.
func (g group) freeze(ctx context.Context) error {
	h, ok := g.freezer()
	if !ok {
		return lang.Errorf("this host has no cgroup freezer", "이 호스트에는 cgroup freezer가 없습니다")
	}
	ctx, cancel := context.WithTimeout(ctx, freezeTimeout)
	defer cancel()
	return wait.Until(ctx, freezePause, standstill, func(ctx context.Context) (bool, string, error) {
		if err := g.setFrozen(true); err != nil {
			return false, "", err
		}
		frozen, err := g.waitFrozen(ctx, h)
		if frozen {
			return true, "", nil
		}
		if ctx.Err() != nil {
			err = nil // the outer wait tells of its own end
		}
		return false, "", errors.Join(err, g.thaw())
	})
}

var standstill = lang.Text{EN: "all processes to stand still", KO: "모든 프로세스가 멈추기"}

// waitFrozen waits for a cgroup to be frozen, but no longer than one attempt may take.
func (g group) waitFrozen(ctx context.Context, h hierarchy) (bool, error) {
	return wait.Within(ctx, freezeAttempt, 2*time.Millisecond, standstill, func(context.Context) (bool, string, error) {
		frozen, err := g.isFrozen(h)
		return frozen, "", err
	})
}

// thaw lets them go on. It does nothing to a cgroup that isn't there.
func (g group) thaw() error { return g.setFrozen(false) }

func (g group) setFrozen(frozen bool) error {
	h, ok := g.freezer()
	if !ok {
		return nil
	}
	file, value := "freezer.state", "THAWED"
	switch {
	case h.v2 && frozen:
		file, value = "cgroup.freeze", "1"
	case h.v2:
		file, value = "cgroup.freeze", "0"
	case frozen:
		value = "FROZEN"
	}
	err := os.WriteFile(filepath.Join(g.dir(h), file), []byte(value), 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return lang.Errorf("writing %s: %w", "%s 쓰기: %w", file, err)
	}
	return nil
}

func (g group) isFrozen(h hierarchy) (bool, error) {
	file, want := "freezer.state", "FROZEN\n"
	if h.v2 {
		file, want = "cgroup.events", "frozen 1\n"
	}
	b, err := os.ReadFile(filepath.Join(g.dir(h), file))
	if err != nil {
		return false, lang.Errorf("reading %s: %w", "%s 읽기: %w", file, err)
	}
	return strings.Contains(string(b), want), nil
}

// standsStill says whether the cgroup is frozen, as far as it can be seen.
func (g group) standsStill() bool {
	h, ok := g.freezer()
	if !ok {
		return false
	}
	frozen, err := g.isFrozen(h)
	return err == nil && frozen
}

// freezer is the hierarchy that can freeze: v1's controller of that name where
// the host has it, since then v2 may not see the controllers' processes.
func (g group) freezer() (hierarchy, bool) {
	for _, h := range g.trees {
		if !h.v2 && h.has("freezer") {
			return h, true
		}
	}
	for _, h := range g.trees {
		if h.v2 {
			return h, true
		}
	}
	return hierarchy{}, false
}
