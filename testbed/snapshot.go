package testbed

import (
	"context"
	"regexp"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
	"noriter.dev/noriter/provision/machine"
)

var snapshotRule = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// ValidateSnapshot holds a snapshot's name to its rule.
func ValidateSnapshot(name string) error {
	if !snapshotRule.MatchString(name) {
		return usage("snapshot name %q must be 1 to 40 of a-z, 0-9 and '-'", "스냅샷 이름 %q은(는) 안 됩니다. a-z, 0-9, '-'로 된 1~40자여야 합니다", name)
	}
	return nil
}

// Snapshots lists what can be gone back to.
func (t *Testbed) Snapshots(ctx context.Context) ([]machine.Snapshot, error) {
	p, err := t.open()
	if err != nil {
		return nil, err
	}
	return p.Snapshots(ctx)
}

// Save keeps the testbed's state under a name.
func (t *Testbed) Save(ctx context.Context, name string, waiting func(string)) error {
	if err := ValidateSnapshot(name); err != nil {
		return err
	}
	if name == StartSnapshot {
		return usage("%q is the state that `nori up` left; choose another name", "%q은(는) `nori up`이 남긴 상태입니다. 다른 이름을 고르세요", name)
	}
	return t.locked(ctx, "snapshot save", waiting, func(p provider) error {
		if t.state.Exercise.Secret() {
			return lang.Errorf("testbed %q is broken on purpose; `%s` mends it first",
				"테스트베드 %q에 일부러 일으킨 장애가 있습니다. 먼저 `%s` 명령으로 복구하세요", t.Name(), t.Command("fault recover"))
		}
		if len(t.state.Faults) > 0 {
			// Whoever goes back to it would have a fault that nobody knows of.
			return lang.Errorf("the fault %s is in testbed %q; `%s` takes it out first",
				"테스트베드 %[2]q에 장애 %[1]s이(가) 주입되어 있습니다. 먼저 `%[3]s` 명령으로 복구하세요", t.state.Faults[0].Name, t.Name(), t.Command("fault recover"))
		}
		reached, done := t.clocks().reach(ctx)
		defer done()
		return t.save(ctx, p, name, t.state.Programs, reached)
	})
}

// save lets the driver keep the machines, with their clocks made ready for it.
func (t *Testbed) save(ctx context.Context, p provider, name string, has Programs, reached func(string) machine.Machine) error {
	if err := t.forgetSaved(name); err != nil {
		return err
	}
	clocks := t.clocks()
	clocks.steady(ctx, reached)
	err := wait.During(ctx, lang.Textf("the machines to be saved as %q", "머신을 %q(으)로 저장하기", name), nil, func(ctx context.Context) error { return p.Save(ctx, name) })
	clocks.fast(context.WithoutCancel(ctx), reached) // also when it was broken off
	if err != nil {
		return lang.Errorf("saving the snapshot %q: %w", "스냅샷 %q 저장: %w", name, err)
	}
	return t.noteSaved(name, has)
}

// DeleteSnapshot forgets a snapshot.
func (t *Testbed) DeleteSnapshot(ctx context.Context, name string, waiting func(string)) error {
	if name == StartSnapshot {
		return usage("%q is the state that `nori reset` goes back to; it stays", "%q은(는) `nori reset`이 돌아가는 상태여서 지우지 않습니다", name)
	}
	return t.locked(ctx, "snapshot delete", waiting, func(p provider) error {
		if s, err := t.find(ctx, p, name); err != nil && !s.Damaged {
			return err
		}
		if t.state.Resetting == name {
			return lang.Errorf("a reset to the snapshot %q was interrupted; `nori reset --to %[1]s --name %[2]s` ends it, `nori reset --name %[2]s` goes back to the start",
				"스냅샷 %q(으)로 되돌리다가 중단되었습니다. `nori reset --to %[1]s --name %[2]s`로 마무리하거나, `nori reset --name %[2]s`로 처음 상태로 되돌리세요", name, t.Name())
		}
		if err := p.DeleteSnapshot(ctx, name); err != nil {
			return err
		}
		return t.forgetSaved(name)
	})
}

func (t *Testbed) locked(ctx context.Context, what string, waiting func(string), do func(provider) error) error {
	l, err := t.home.lock(ctx, t.Name(), what, waiting)
	if err != nil {
		return err
	}
	defer l.release()
	if err := t.reread(l); err != nil {
		return err
	}
	if _, err := t.sshKeys(); err != nil {
		return err
	}
	p, err := t.open()
	if err != nil {
		return err
	}
	return do(p)
}

// find looks for a snapshot; that there is none is a usage error.
func (t *Testbed) find(ctx context.Context, p provider, name string) (machine.Snapshot, error) {
	snaps, err := p.Snapshots(ctx)
	if err != nil {
		return machine.Snapshot{}, lang.Errorf("looking for snapshots: %w", "스냅샷 찾기: %w", err)
	}
	var names []string
	for _, s := range snaps {
		switch {
		case s.Name == name && !s.Damaged:
			return s, nil
		case s.Name == name && name == StartSnapshot:
			return s, lang.Errorf("the record of the snapshot %q is damaged; `nori up --name %s` saves the testbed as it is in its place",
				"스냅샷 %q의 기록이 손상되었습니다. `nori up --name %s` 명령으로 지금 상태를 그 자리에 저장하세요", name, t.Name())
		case s.Name == name:
			return s, lang.Errorf("the record of the snapshot %q is damaged; `nori snapshot delete %[1]s --name %[2]s` forgets it",
				"스냅샷 %q의 기록이 손상되었습니다. `nori snapshot delete %[1]s --name %[2]s` 명령으로 지우세요", name, t.Name())
		}
		names = append(names, s.Name)
	}
	if name == StartSnapshot {
		return machine.Snapshot{}, usage("testbed %q was never brought up to its end; `%s` does that", "테스트베드 %q은(는) 끝까지 켜진 적이 없습니다. `%s` 명령으로 켜세요", t.Name(), t.Command("up"))
	}
	return machine.Snapshot{}, usage("testbed %q has no snapshot %q; it has %v", "테스트베드 %q에는 스냅샷 %q이(가) 없습니다. 있는 것: %v", t.Name(), name, names)
}
