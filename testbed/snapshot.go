package testbed

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"golang.org/x/sync/errgroup"

	"noriter.dev/noriter/cluster/install"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/step"
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
		if err := d.Save(ctx, name); err != nil {
			return fmt.Errorf("saving the snapshot %q: %w", name, err)
		}
		return nil
	})
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

// Reset goes back to a snapshot and returns when the cluster is ready again.
func (t *Testbed) Reset(ctx context.Context, to string, report step.Reporter, waiting func(string)) error {
	return t.locked(ctx, "reset", waiting, func(d driver) error {
		snap, err := t.find(ctx, d, to)
		if err != nil {
			return err
		}
		r := &reset{Testbed: t, driver: d, snapshot: snap, cluster: &install.Cluster{Name: t.Name(), Nodes: t.nodes(), Dir: t.Dir(), Dial: t.Dialer()}}
		defer r.cluster.Close()
		return step.Run(ctx, r.steps(), report)
	})
}

type reset struct {
	*Testbed
	driver   driver
	snapshot machine.Snapshot
	cluster  *install.Cluster
	since    time.Time
}

func (r *reset) steps() []step.Step {
	return []step.Step{{
		ID: "restore", Title: step.Text{EN: "Machines put back", KO: "머신 되돌리기"},
		Run: func(ctx context.Context, note func(string)) error {
			note(r.snapshot.Name)
			if err := r.driver.Restore(ctx, r.snapshot.Name); err != nil {
				return fmt.Errorf("restoring the snapshot %q: %w", r.snapshot.Name, err)
			}
			return nil
		},
	}, {
		ID: "machines", Title: step.Text{EN: "Machines answering", KO: "머신 응답"}, Needs: []string{"restore"},
		Run: r.connect,
	}, {
		ID: "ready", Title: step.Text{EN: "Nodes ready, DNS answering", KO: "노드 준비, DNS 응답"}, Needs: []string{"machines"},
		Run: func(ctx context.Context, note func(string)) error { return r.cluster.WaitReady(ctx, r.since, note) },
	}}
}

// setClock steps a virtual machine's clock to this host's. After its memory
// was restored it is as old as the snapshot. Container machines share ours.
func (t *Testbed) setClock(ctx context.Context, m machine.Machine) error {
	if t.state.Spec.Driver != Libvirt {
		return nil
	}
	line := fmt.Sprintf("date -s @%.3f >/dev/null", float64(time.Now().UnixMilli())/1000)
	if _, err := m.Run(ctx, machine.Command{Line: line}); err != nil {
		return fmt.Errorf("setting the clock of %s: %w", m.Name(), err)
	}
	return nil
}

// connect dials all machines. After memory was restored, a machine's clock is
// as old as the snapshot: it is stepped before anything else looks at it.
func (r *reset) connect(ctx context.Context, _ func(string)) error {
	if !r.snapshot.Memory {
		// The machines boot: a node counts when its agent was heard since.
		// With their memory the agents came back, too.
		r.since = time.Now().Add(-time.Second)
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, name := range r.Machines() {
		g.Go(func() error {
			m, err := r.Dial(ctx, name)
			if err != nil {
				return err
			}
			if err := r.setClock(ctx, m); err != nil {
				return err
			}
			r.cluster.SetMachine(m)
			return nil
		})
	}
	return g.Wait()
}
