package testbed

import (
	"context"
	"errors"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/netns"
)

// Down removes all of a testbed: machines, snapshots, network, namespace and
// folder. Caches and learners' progress stay. An interrupted Down is completed
// by the next.
func (t *Testbed) Down(ctx context.Context, waiting func(holder string)) error {
	l, err := t.home.lock(ctx, t.Name(), "down", waiting)
	if err != nil {
		return err
	}
	defer l.release()
	if err := t.reread(l); err != nil {
		if errors.Is(err, ErrNoTestbed) { // who held the lock before has removed it
			return nil
		}
		return err
	}
	if t.made() {
		p, err := t.open()
		if err != nil {
			return err
		}
		if err := p.Remove(ctx); err != nil {
			return lang.Errorf("removing the machines of testbed %q: %w", "테스트베드 %q의 머신 지우기: %w", t.Name(), err)
		}
	}
	return t.forget(ctx, l)
}

// made says that there may be machines: the image they are made from is noted
// before the first of them is.
func (t *Testbed) made() bool { return t.state.ImageID != "" }

// forget removes what is left of a testbed without machines: its namespace, its folder,
// and whatever its state does not tell of.
func (t *Testbed) forget(ctx context.Context, l *lock) error {
	if ns := t.Namespace(); ns != "" {
		if err := netns.Delete(ns); err != nil {
			return err
		}
	}
	// What can't be looked at here was looked at by the driver.
	if err := t.home.Leftovers(ctx, t.Name()).remove(ctx); err != nil {
		return err
	}
	if err := t.home.removeNote(t.Name()); err != nil {
		return err
	}
	l.remove()
	return nil
}
