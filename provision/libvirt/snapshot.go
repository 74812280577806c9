package libvirt

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"golang.org/x/sync/errgroup"

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
// Inside the disks each save has a name of its own, and only the note written
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
		return fmt.Errorf("snapshot %s: testbed %s has no machines yet", name, p.tb.Name)
	}
	var random [6]byte
	if _, err := rand.Read(random[:]); err != nil {
		return fmt.Errorf("naming the snapshot: %w", err)
	}
	n := note{Name: name, Tag: tagPrefix + hex.EncodeToString(random[:]), Created: time.Now().UTC()}
	for _, d := range doms {
		n.Machines = append(n.Machines, d.machine)
	}
	if err := p.saveAll(ctx, c, doms, n.Tag); err != nil {
		p.collect(context.WithoutCancel(ctx), c, doms)
		return fmt.Errorf("saving snapshot %s: %w", name, err)
	}
	n.Bytes = p.snapshotBytes(ctx, c, doms, n.Tag)
	if err := p.writeNote(n); err != nil {
		return err
	}
	p.collect(ctx, c, doms)
	return nil
}

// forSnapshot gets what Save, Restore and DeleteSnapshot begin with: one at a
// time, the connection and the machines.
func (p *Provider) forSnapshot(ctx context.Context) (*conn, []ours, func(), error) {
	c, ok, err := p.existing(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	if !ok {
		return nil, nil, nil, fmt.Errorf("testbed %s has no machines yet", p.tb.Name)
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
func (p *Provider) saveAll(ctx context.Context, c *conn, doms []ours, tag string) (err error) {
	defer func() {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoLimit)
		defer cancel()
		err = errors.Join(err, each(undo, doms, func(ctx context.Context, d ours) error {
			if off(d.state) {
				return destroy(ctx, c, d.dom)
			}
			return resume(ctx, c, d.dom)
		}))
	}()
	if err := each(ctx, doms, func(ctx context.Context, d ours) error { return hold(ctx, c, d.dom) }); err != nil {
		return err
	}
	return each(ctx, doms, func(ctx context.Context, d ours) error {
		node, err := p.node(ctx, c, d.dom)
		if err != nil {
			return err
		}
		return c.snapshotJob(ctx, d.dom, "snapshot-save", tag, node.Name)
	})
}

// each runs a function for all machines at once and waits for all of them.
func each(ctx context.Context, doms []ours, f func(context.Context, ours) error) error {
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
		return overlayNode{}, fmt.Errorf("domain %s has no disk in a file", dom.Name)
	}
	return c.overlay(ctx, dom, x.Devices.Disks[0].Source.File.File)
}

// snapshotBytes adds up what the machines' memory takes; a machine that can't
// tell counts as nothing.
func (p *Provider) snapshotBytes(ctx context.Context, c *conn, doms []ours, tag string) int64 {
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

// collect removes from the running machines' disks the snapshots of ours that
// no note names: replaced, deleted or cut short. What fails here is tried
// again at the next occasion, so nothing is reported.
func (p *Provider) collect(ctx context.Context, c *conn, doms []ours) {
	notes, err := p.notes()
	if err != nil {
		return
	}
	_ = each(ctx, doms, func(ctx context.Context, d ours) error {
		if state, err := domainState(ctx, c, d.dom); err != nil || off(state) {
			return err
		}
		node, err := p.node(ctx, c, d.dom)
		if err != nil {
			return err
		}
		for _, s := range node.Snapshots {
			named := slices.ContainsFunc(notes, func(n note) bool { return n.Tag == s.Name })
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

// Restore puts the machines of a snapshot back, memory and disk together, and
// lets them run on from where they were; no boot is needed, also of one that
// was switched off or broken in the meantime. Machines made after the snapshot
// are left as they are.
//
// The guests' clocks are as old as the snapshot (Snapshot.Memory says so):
// whoever has SSH sets them before anything else is asked of the machines.
//
// A restore that is interrupted leaves a note, and Prepare or the next Restore
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

func (p *Provider) restore(ctx context.Context, c *conn, doms []ours, name string) error {
	n, err := p.readNote(name)
	if err != nil {
		return err
	}
	var targets []ours
	for _, m := range n.Machines {
		i := slices.IndexFunc(doms, func(d ours) bool { return d.machine == m })
		if i < 0 {
			return fmt.Errorf("restoring snapshot %s: machine %s is gone, and its part of the snapshot with it", name, m)
		}
		targets = append(targets, doms[i])
	}
	if err := p.noteRestoring(name); err != nil {
		return err
	}
	err = each(ctx, targets, func(ctx context.Context, d ours) error { return hold(ctx, c, d.dom) })
	if err == nil {
		err = each(ctx, targets, func(ctx context.Context, d ours) error {
			node, err := p.node(ctx, c, d.dom)
			if err != nil {
				return err
			}
			return c.snapshotJob(ctx, d.dom, "snapshot-load", n.Tag, node.Name)
		})
	}
	if err == nil {
		err = each(ctx, targets, func(ctx context.Context, d ours) error { return resume(ctx, c, d.dom) })
	}
	if err != nil {
		return fmt.Errorf("restoring snapshot %s: %w", name, err)
	}
	return p.doneRestoring()
}

// resumeRestore completes a restore that was interrupted.
func (p *Provider) resumeRestore(ctx context.Context) error {
	name, err := p.restoring()
	if err != nil || name == "" {
		return err
	}
	c, doms, unlock, err := p.forSnapshot(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := p.restore(ctx, c, doms, name); err != nil {
		return fmt.Errorf("completing an interrupted restore (restore another snapshot, or remove the testbed): %w", err)
	}
	return nil
}

// Snapshots lists the complete snapshots, oldest first.
func (p *Provider) Snapshots(context.Context) ([]machine.Snapshot, error) {
	notes, err := p.notes()
	if err != nil {
		return nil, err
	}
	var out []machine.Snapshot
	for _, n := range notes {
		out = append(out, machine.Snapshot{Name: n.Name, Created: n.Created, Machines: n.Machines, Memory: true, Bytes: n.Bytes})
	}
	return out, nil
}

// DeleteSnapshot forgets a snapshot. Its space is freed now where the machine
// runs, and at the next Save where it does not.
func (p *Provider) DeleteSnapshot(ctx context.Context, name string) error {
	if err := checkSnapshotName(name); err != nil {
		return err
	}
	if _, err := p.readNote(name); err != nil {
		return err
	}
	c, doms, unlock, err := p.forSnapshot(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if restoring, err := p.restoring(); err != nil {
		return err
	} else if restoring == name {
		return fmt.Errorf("snapshot %s is being restored; complete that first: nori reset --to %s", name, name)
	}
	if err := p.removeNote(name); err != nil {
		return err
	}
	p.collect(ctx, c, doms)
	return nil
}

// lockSnapshots makes one snapshot call at a time run for the testbed.
func (p *Provider) lockSnapshots(ctx context.Context) (func(), error) {
	return lockFile(ctx, filepath.Join(p.dir, "snapshots.lock"))
}
