package testbed

import (
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
