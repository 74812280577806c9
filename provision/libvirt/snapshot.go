package libvirt

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"golang.org/x/sync/errgroup"

	"noriter.dev/noriter/internal/filelock"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
)

// tagPrefix begins the name of each snapshot of ours inside a disk.
const tagPrefix = "nori-"

// undoLimit is how long machines may take to run on after a failed Save.
const undoLimit = 30 * time.Second

// Save keeps memory and disk of all machines. All are paused before the first
// is saved and run on after the last, so that no message between two of them
// is half in the snapshot. A machine that is off is kept as one about to boot.
//
// Inside the disks each save has a name of its own, and only the record written
// at the end makes it the snapshot of the name: until then the old one holds.
func (p *Provider) Save(ctx context.Context, name string) (err error) {
	if err := checkSnapshotName(name); err != nil {
		return err
	}
	c, doms, unlock, err := p.forSnapshot(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if len(doms) == 0 {
		return lang.Errorf("snapshot %s: testbed %s has no machines yet", "스냅샷 %s: 테스트베드 %s에 아직 머신이 없습니다", name, p.tb.Name)
	}
	var random [6]byte
	if _, err := rand.Read(random[:]); err != nil {
		return lang.Errorf("naming the snapshot: %w", "스냅샷 이름 짓기: %w", err)
	}
	n := snapshotRecord{Name: name, Tag: tagPrefix + hex.EncodeToString(random[:]), Created: time.Now().UTC()}
	for _, d := range doms {
		n.Machines = append(n.Machines, d.machine)
	}
	if err := p.saveAll(ctx, c, doms, n.Tag); err != nil {
		p.removeUnusedSnapshots(context.WithoutCancel(ctx), c, doms)
		return lang.Errorf("saving snapshot %s: %w", "스냅샷 %s 저장: %w", name, p.ifFull(err))
	}
	n.Bytes = p.snapshotBytes(ctx, c, doms, n.Tag)
	if err := p.writeRecord(n); err != nil {
		return err
	}
	p.removeUnusedSnapshots(ctx, c, doms)
	return nil
}

// forSnapshot gets what Save, Restore and DeleteSnapshot begin with: one at a
// time, the connection and the machines.
func (p *Provider) forSnapshot(ctx context.Context) (*conn, []testbedDomain, func(), error) {
	c, ok, err := p.existing(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	if !ok {
		return nil, nil, nil, lang.Errorf("testbed %s has no machines yet", "테스트베드 %s에 아직 머신이 없습니다", p.tb.Name)
	}
	unlock, err := p.lockSnapshots(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	doms, err := p.domains(ctx, c)
	if err != nil {
		unlock()
		return nil, nil, nil, err
	}
	return c, doms, unlock, nil
}

// saveAll pauses, saves and lets run on again, whatever happens in between.
func (p *Provider) saveAll(ctx context.Context, c *conn, doms []testbedDomain, tag string) (err error) {
	defer func() {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoLimit)
		defer cancel()
		err = errors.Join(err, each(undo, doms, func(ctx context.Context, d testbedDomain) error {
			if off(d.state) {
				return destroy(ctx, c, d.dom)
			}
			return resume(ctx, c, d.dom)
		}))
	}()
	if err := each(ctx, doms, func(ctx context.Context, d testbedDomain) error { return p.pauseFromAnyState(ctx, c, d.dom) }); err != nil {
		return err
	}
	return each(ctx, doms, func(ctx context.Context, d testbedDomain) error {
		node, err := p.node(ctx, c, d.dom)
		if err != nil {
			return err
		}
		return c.snapshotJob(ctx, d.dom, "snapshot-save", tag, node.Name)
	})
}

// each runs a function for all machines at once and waits for all of them.
func each(ctx context.Context, doms []testbedDomain, f func(context.Context, testbedDomain) error) error {
	var g errgroup.Group
	for _, d := range doms {
		g.Go(func() error { return f(ctx, d) })
	}
	return g.Wait()
}

// node finds the machine's disk inside its QEMU.
func (p *Provider) node(ctx context.Context, c *conn, dom golibvirt.Domain) (overlayNode, error) {
	x, err := readDomain(ctx, c, dom)
	if err != nil {
		return overlayNode{}, err
	}
	if x.Devices == nil || len(x.Devices.Disks) == 0 || x.Devices.Disks[0].Source == nil || x.Devices.Disks[0].Source.File == nil {
		return overlayNode{}, lang.Errorf("domain %s has no disk in a file", "도메인 %s에 파일로 된 디스크가 없습니다", dom.Name)
	}
	return c.overlay(ctx, dom, x.Devices.Disks[0].Source.File.File)
}

// snapshotBytes adds up what the machines' memory takes; a machine that can't
// tell counts as nothing.
func (p *Provider) snapshotBytes(ctx context.Context, c *conn, doms []testbedDomain, tag string) int64 {
	var sum int64
	for _, d := range doms {
		if off(d.state) {
			continue
		}
		node, err := p.node(ctx, c, d.dom)
		if err != nil {
			return 0
		}
		for _, s := range node.Snapshots {
			if s.Name == tag {
				sum += s.VMStateSize
			}
		}
	}
	return sum
}

// removeUnusedSnapshots removes from the running machines' disks the snapshots of
// ours that no record names: replaced, deleted or cut short. What fails here is
// tried again at the next occasion, so nothing is reported.
func (p *Provider) removeUnusedSnapshots(ctx context.Context, c *conn, doms []testbedDomain) {
	records, err := p.records()
	if err != nil || slices.ContainsFunc(records, snapshotRecord.damaged) {
		return // it may be the one that a damaged record names
	}
	_ = each(ctx, doms, func(ctx context.Context, d testbedDomain) error {
		if state, err := domainState(ctx, c, d.dom); err != nil || off(state) {
			return err
		}
		node, err := p.node(ctx, c, d.dom)
		if err != nil {
			return err
		}
		for _, s := range node.Snapshots {
			named := slices.ContainsFunc(records, func(n snapshotRecord) bool { return n.Tag == s.Name })
			if named || !strings.HasPrefix(s.Name, tagPrefix) {
				continue
			}
			if err := c.snapshotJob(ctx, d.dom, "snapshot-delete", s.Name, node.Name); err != nil {
				return err
			}
		}
		return nil
	})
}

// Snapshots lists the complete snapshots, oldest first.
func (p *Provider) Snapshots(context.Context) ([]machine.Snapshot, error) {
	records, err := p.records()
	if err != nil {
		return nil, err
	}
	var out []machine.Snapshot
	for _, n := range records {
		out = append(out, machine.Snapshot{Name: n.Name, Created: n.Created, Machines: n.Machines, Memory: true, Bytes: n.Bytes, Damaged: n.damaged()})
	}
	return out, nil
}

// DeleteSnapshot forgets a snapshot. Its space is freed now where the machine
// runs, and at the next Save where it does not.
func (p *Provider) DeleteSnapshot(ctx context.Context, name string) error {
	if err := checkSnapshotName(name); err != nil {
		return err
	}
	var damaged *damagedRecord
	if _, err := p.readRecord(name); err != nil && !errors.As(err, &damaged) {
		return err
	}
	c, doms, unlock, err := p.forSnapshot(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if restoring, err := p.readRestoring(); err != nil {
		return err
	} else if restoring == name {
		return lang.Errorf("snapshot %s is being restored; complete that first: nori reset --to %s",
			"스냅샷 %s을(를) 복원하는 중입니다. 먼저 복원을 마치세요: nori reset --to %s", name, name)
	}
	if err := p.removeRecord(name); err != nil {
		return err
	}
	p.removeUnusedSnapshots(ctx, c, doms)
	return nil
}

// lockSnapshots makes one snapshot call at a time run for the testbed.
func (p *Provider) lockSnapshots(ctx context.Context) (func(), error) {
	return filelock.Lock(ctx, filepath.Join(p.dir, "snapshots.lock"), lang.Text{
		EN: "another nori to end its work on the snapshots", KO: "다른 nori가 스냅샷 작업을 끝내기",
	}, nil)
}
