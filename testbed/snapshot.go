package testbed

import (
	"context"
	"fmt"
	"regexp"

	"noriter.dev/noriter/provision/machine"
)

var snapshotRule = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// ValidateSnapshot holds a snapshot's name to its rule.
func ValidateSnapshot(name string) error {
	if !snapshotRule.MatchString(name) {
		return usage("snapshot name %q must be 1 to 40 of a-z, 0-9 and '-'", name)
	}
	return nil
}

// Snapshots lists what can be gone back to.
func (t *Testbed) Snapshots(ctx context.Context) ([]machine.Snapshot, error) {
	d, err := t.open()
	if err != nil {
		return nil, err
	}
	return d.Snapshots(ctx)
}

// Save keeps the testbed's state under a name.
func (t *Testbed) Save(ctx context.Context, name string, waiting func(string)) error {
	if err := ValidateSnapshot(name); err != nil {
		return err
	}
	if name == StartSnapshot {
		return usage("%q is the state that `nori up` left; choose another name", name)
	}
	return t.locked(ctx, "snapshot save", waiting, func(d driver) error {
		if len(t.state.Faults) > 0 {
			// Whoever goes back to it would have a fault that nobody knows of.
			return fmt.Errorf("the fault %s is in testbed %q; `nori fault recover` takes it out first", t.state.Faults[0].Name, t.Name())
		}
		reached, done := t.reach(ctx)
		defer done()
		return t.save(ctx, d, name, reached)
	})
}

// save lets the driver keep the machines, with their clocks made ready for it.
func (t *Testbed) save(ctx context.Context, d driver, name string, reached func(string) machine.Machine) error {
	t.steadyClocks(ctx, reached)
	err := d.Save(ctx, name)
	t.fastClocks(context.WithoutCancel(ctx), reached) // also when it was broken off
	if err != nil {
		return fmt.Errorf("saving the snapshot %q: %w", name, err)
	}
	return nil
}

// DeleteSnapshot forgets a snapshot.
func (t *Testbed) DeleteSnapshot(ctx context.Context, name string, waiting func(string)) error {
	if name == StartSnapshot {
		return usage("%q is the state that `nori reset` goes back to; it stays", name)
	}
	return t.locked(ctx, "snapshot delete", waiting, func(d driver) error {
		if err := t.known(ctx, d, name); err != nil {
			return err
		}
		return d.DeleteSnapshot(ctx, name)
	})
}

func (t *Testbed) locked(ctx context.Context, what string, waiting func(string), do func(driver) error) error {
	l, err := t.home.lock(ctx, t.Name(), what, waiting)
	if err != nil {
		return err
	}
	defer l.release()
	// Whoever held the lock before may have changed it.
	if t.state, err = t.home.readState(t.Name()); err != nil {
		return err
	}
	d, err := t.open()
	if err != nil {
		return err
	}
	return do(d)
}

// known is a usage error unless there is a snapshot of that name.
func (t *Testbed) known(ctx context.Context, d driver, name string) error {
	_, err := t.find(ctx, d, name)
	return err
}

func (t *Testbed) find(ctx context.Context, d driver, name string) (machine.Snapshot, error) {
	snaps, err := d.Snapshots(ctx)
	if err != nil {
		return machine.Snapshot{}, fmt.Errorf("looking for snapshots: %w", err)
	}
	var names []string
	for _, s := range snaps {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	if name == StartSnapshot {
		return machine.Snapshot{}, usage("testbed %q was never brought up to its end; `nori up` does that", t.Name())
	}
	return machine.Snapshot{}, usage("testbed %q has no snapshot %q; it has %v", t.Name(), name, names)
}
