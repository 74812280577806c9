package libvirt

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// jobLimit is how long saving or loading one machine may take.
const jobLimit = 3 * time.Minute

// qmp runs a command of QEMU's monitor (docs/interop/qmp-spec.rst) through
// libvirt, which has no call for snapshots that keeps the QEMU process.
func (c *conn) qmp(ctx context.Context, dom golibvirt.Domain, command string, args, out any) error {
	request, err := json.Marshal(struct {
		Execute   string `json:"execute"`
		Arguments any    `json:"arguments,omitempty"`
	}{command, args})
	if err != nil {
		return fmt.Errorf("%s on %s: %w", command, dom.Name, err)
	}
	text, err := ask(ctx, c, command+" on "+dom.Name, func(lv *golibvirt.Libvirt) (string, error) {
		return lv.QEMUDomainMonitorCommand(dom, string(request), 0)
	})
	if err != nil {
		return err
	}
	var reply struct {
		Return json.RawMessage `json:"return"`
		Error  *struct {
			Desc string `json:"desc"`
		} `json:"error"`
	}
	if err := json.Unmarshal([]byte(strings.TrimRight(text, "\x00")), &reply); err != nil {
		return fmt.Errorf("%s on %s: QEMU's answer can't be read: %w", command, dom.Name, err)
	}
	if reply.Error != nil {
		return fmt.Errorf("%s on %s: %s", command, dom.Name, reply.Error.Desc)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(reply.Return, out); err != nil {
		return fmt.Errorf("%s on %s: QEMU's answer can't be read: %w", command, dom.Name, err)
	}
	return nil
}

// overlayNode is the machine's disk inside QEMU.
type overlayNode struct {
	Name      string
	Snapshots []qemuSnapshot
}

// qemuSnapshot is QEMU's SnapshotInfo, as much of it as we use.
type qemuSnapshot struct {
	Name        string `json:"name"`
	VMStateSize int64  `json:"vm-state-size"`
}

// overlay finds the block node of the machine's disk by its file.
func (c *conn) overlay(ctx context.Context, dom golibvirt.Domain, file string) (overlayNode, error) {
	var nodes []struct {
		Node  string `json:"node-name"`
		Drv   string `json:"drv"`
		File  string `json:"file"`
		Image struct {
			Snapshots []qemuSnapshot `json:"snapshots"`
		} `json:"image"`
	}
	if err := c.qmp(ctx, dom, "query-named-block-nodes", map[string]bool{"flat": true}, &nodes); err != nil {
		return overlayNode{}, err
	}
	for _, n := range nodes {
		if n.Drv == "qcow2" && n.File == file {
			return overlayNode{n.Node, n.Image.Snapshots}, nil
		}
	}
	return overlayNode{}, fmt.Errorf("%s has no qcow2 disk %s", dom.Name, file)
}

// snapshotJob runs one of QEMU's snapshot jobs (snapshot-save, -load, -delete;
// qapi/migration.json) on the machine's disk to its end.
func (c *conn) snapshotJob(ctx context.Context, dom golibvirt.Domain, command, tag, node string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, jobLimit, fmt.Errorf("%s of %s did not end within %s", command, dom.Name, jobLimit))
	defer cancel()
	id := command + "-" + tag
	args := map[string]any{"job-id": id, "tag": tag, "devices": []string{node}}
	if command != "snapshot-delete" {
		args["vmstate"] = node
	}
	if err := c.dismissLeft(ctx, dom); err != nil {
		return err
	}
	if err := c.qmp(ctx, dom, command, args, nil); err != nil {
		return err
	}
	for {
		jobs, err := c.jobs(ctx, dom)
		if err != nil {
			return err
		}
		for _, j := range jobs {
			if j.ID != id || j.Status != "concluded" {
				continue
			}
			if err := c.qmp(ctx, dom, "job-dismiss", map[string]string{"id": id}, nil); err != nil {
				return err
			}
			if j.Error != "" {
				return fmt.Errorf("%s of %s: %s", command, dom.Name, j.Error)
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for QEMU: %w", context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// qemuJob is QEMU's JobInfo, as much of it as we use.
type qemuJob struct {
	ID     string `json:"id"`
	Type   string `json:"type"`
	Status string `json:"status"`
	Error  string `json:"error"`
}

func (c *conn) jobs(ctx context.Context, dom golibvirt.Domain) ([]qemuJob, error) {
	var jobs []qemuJob
	err := c.qmp(ctx, dom, "query-jobs", nil, &jobs)
	return jobs, err
}

// dismissLeft waits for the snapshot jobs that an interrupted nori left in
// QEMU and clears them away.
func (c *conn) dismissLeft(ctx context.Context, dom golibvirt.Domain) error {
	for {
		jobs, err := c.jobs(ctx, dom)
		if err != nil {
			return err
		}
		busy := false
		for _, j := range jobs {
			switch {
			case !strings.HasPrefix(j.Type, "snapshot-"):
			case j.Status == "concluded":
				if err := c.qmp(ctx, dom, "job-dismiss", map[string]string{"id": j.ID}, nil); err != nil {
					return err
				}
			default:
				busy = true
			}
		}
		if !busy {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for an earlier snapshot of %s to end: %w", dom.Name, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
