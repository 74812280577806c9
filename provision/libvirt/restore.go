package libvirt

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"noriter.dev/noriter/internal/lang"
)

// Restore puts the machines of a snapshot back, memory and disk together, and
// lets them run on from where they were; no boot is needed, also of one that
// was switched off or broken in the meantime. Machines made after the snapshot
// are left as they are.
//
// The guests' clocks are as old as the snapshot (Snapshot.Memory says so):
// whoever has SSH sets them before anything else is asked of the machines.
//
// A restore that is interrupted leaves a record of it, and Prepare or the next Restore
// completes it.
func (p *Provider) Restore(ctx context.Context, name string) error {
	if err := checkSnapshotName(name); err != nil {
		return err
	}
	c, doms, unlock, err := p.forSnapshot(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return p.restore(ctx, c, doms, name)
}

func (p *Provider) restore(ctx context.Context, c *conn, doms []testbedDomain, name string) error {
	n, err := p.readRecord(name)
	if err != nil {
		return err
	}
	var targets []testbedDomain
	for _, m := range n.Machines {
		i := slices.IndexFunc(doms, func(d testbedDomain) bool { return d.machine == m })
		if i < 0 {
			return lang.Errorf("restoring snapshot %s: machine %s is gone, and its part of the snapshot with it",
				"스냅샷 %s 복원: 머신 %s이(가) 없어졌고, 그 머신의 스냅샷도 함께 없어졌습니다", name, m)
		}
		targets = append(targets, doms[i])
	}
	if err := p.writeRestoring(name); err != nil {
		return err
	}
	err = each(ctx, targets, func(ctx context.Context, d testbedDomain) error { return p.pauseFromAnyState(ctx, c, d.dom) })
	if err == nil {
		err = each(ctx, targets, func(ctx context.Context, d testbedDomain) error {
			node, err := p.node(ctx, c, d.dom)
			if err != nil {
				return err
			}
			return c.snapshotJob(ctx, d.dom, "snapshot-load", n.Tag, node.Name)
		})
	}
	if err == nil {
		err = each(ctx, targets, func(ctx context.Context, d testbedDomain) error { return resume(ctx, c, d.dom) })
	}
	if err != nil {
		return lang.Errorf("restoring snapshot %s: %w", "스냅샷 %s 복원: %w", name, err)
	}
	return p.removeRestoring()
}

// resumeRestore completes a restore that was interrupted.
func (p *Provider) resumeRestore(ctx context.Context) error {
	name, err := p.readRestoring()
	if err != nil || name == "" {
		return err
	}
	if _, err := p.readRecord(name); err != nil {
		return nil // it can't be completed: see refuseHalf
	}
	c, doms, unlock, err := p.forSnapshot(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := p.restore(ctx, c, doms, name); err != nil {
		return lang.Errorf("completing an interrupted restore: %w; `nori reset --name %[2]s` puts the machines back to the start, or `nori down --name %[2]s` and `nori up --name %[2]s` make the testbed anew",
			"중단된 복원 마무리: %w. `nori reset --name %[2]s`로 머신을 처음 상태로 되돌리거나, `nori down --name %[2]s`, `nori up --name %[2]s`로 테스트베드를 새로 만드세요", err, p.tb.Name)
	}
	return nil
}

// refuseHalf is the error for machines of which some were put back to a snapshot and
// others were not, where that can't be completed any more.
func (p *Provider) refuseHalf() error {
	name, err := p.readRestoring()
	if err != nil || name == "" {
		return err
	}
	return lang.Errorf("putting the machines back to snapshot %q was interrupted, and that snapshot is gone or damaged; `nori reset --name %[2]s` puts them back to the start, or `nori down --name %[2]s` and `nori up --name %[2]s` make the testbed anew",
		"머신을 스냅샷 %q(으)로 되돌리다가 중단되었는데, 그 스냅샷이 없거나 손상되었습니다. `nori reset --name %[2]s`로 처음 상태로 되돌리거나, `nori down --name %[2]s`, `nori up --name %[2]s`로 테스트베드를 새로 만드세요",
		name, p.tb.Name)
}

// restoringFile holds the name of the snapshot that is being restored.
func (p *Provider) restoringFile() string { return filepath.Join(p.dir, "restoring") }

func (p *Provider) writeRestoring(name string) error {
	if err := writeFile(p.restoringFile(), []byte(name+"\n")); err != nil {
		return lang.Errorf("noting the restore: %w", "복원 시작 기록: %w", err)
	}
	return nil
}

// readRestoring gives that name, or nothing.
func (p *Provider) readRestoring() (string, error) {
	b, err := os.ReadFile(p.restoringFile())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", lang.Errorf("looking for an interrupted restore: %w", "중단된 복원이 있는지 확인: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

func (p *Provider) removeRestoring() error {
	if err := os.Remove(p.restoringFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return lang.Errorf("noting the end of the restore: %w", "복원 완료 기록: %w", err)
	}
	return nil
}
