package nspawn

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
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
		return errors.New("this host has no cgroup freezer")
	}
	ctx, cancel := context.WithTimeout(ctx, freezeTimeout)
	defer cancel()
	for {
		if err := g.setFrozen(true); err != nil {
			return err
		}
		frozen, err := g.stands(ctx, h, freezeAttempt)
		if err == nil && frozen {
			return nil
		}
		if err := errors.Join(err, g.thaw()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for all processes to stand still: %w", context.Cause(ctx))
		case <-time.After(freezePause):
		}
	}
}

// stands waits for a cgroup to be frozen, but not for longer than the limit.
func (g group) stands(ctx context.Context, h hierarchy, limit time.Duration) (bool, error) {
	for end := time.Now().Add(limit); ; {
		frozen, err := g.isFrozen(h)
		if err != nil || frozen {
			return frozen, err
		}
		if ctx.Err() != nil || time.Now().After(end) {
			return false, nil
		}
		time.Sleep(2 * time.Millisecond)
	}
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
		return fmt.Errorf("writing %s: %w", file, err)
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
		return false, fmt.Errorf("reading %s: %w", file, err)
	}
	return strings.Contains(string(b), want), nil
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
