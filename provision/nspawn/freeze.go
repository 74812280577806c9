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

// freezeTimeout is how long a machine may take to stand still.
const freezeTimeout = 5 * time.Second

// freeze stops all processes of the cgroup where they are and waits until
// they stand.
func (g group) freeze(ctx context.Context) error {
	h, ok := g.freezer()
	if !ok {
		return errors.New("this host has no cgroup freezer")
	}
	if err := g.setFrozen(true); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, freezeTimeout)
	defer cancel()
	for {
		frozen, err := g.isFrozen(h)
		if err != nil || frozen {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waiting for all processes to stand still: %w", ctx.Err()), g.thaw())
		case <-time.After(2 * time.Millisecond):
		}
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
