package testbed

import (
	"context"
	"testing"

	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/step"
)

func snapshotOf(machines ...string) machine.Snapshot {
	return machine.Snapshot{Name: StartSnapshot, Machines: machines}
}

func checkSteps(t *testing.T, steps []step.Step) {
	t.Helper()
	if err := step.Check(steps); err != nil {
		t.Error(err)
	}
}

// snapshotsOnly is a provider of which a reset may do nothing but look.
type snapshotsOnly struct {
	provider
	touched bool
}

func (p *snapshotsOnly) Snapshots(context.Context) ([]machine.Snapshot, error) {
	return []machine.Snapshot{snapshotOf("control", "node1")}, nil
}

func (p *snapshotsOnly) Restore(context.Context, string) error {
	p.touched = true
	return nil
}

func (p *snapshotsOnly) List(context.Context) ([]machine.Info, error) { return nil, nil }
