package libvirt

import (
	"context"
	"encoding/json"
	"strings"

	golibvirt "github.com/digitalocean/go-libvirt"

	"noriter.dev/noriter/internal/lang"
)

// qmp runs a command of QEMU's monitor (docs/interop/qmp-spec.rst) through
// libvirt, which has no call for snapshots that keeps the QEMU process.
func (c *conn) qmp(ctx context.Context, dom golibvirt.Domain, command string, args, out any) error {
	what := lang.Textf("%s on %s", "%[2]s에서 %[1]s 실행", command, dom.Name)
	request, err := json.Marshal(struct {
		Execute   string `json:"execute"`
		Arguments any    `json:"arguments,omitempty"`
	}{command, args})
	if err != nil {
		return lang.Errorf("%s: %w", "%s: %w", what, err)
	}
	text, err := ask(ctx, c, what, func(lv *golibvirt.Libvirt) (string, error) {
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
		return lang.Errorf("%s: QEMU's answer can't be read: %w", "%s: QEMU의 응답을 읽을 수 없습니다: %w", what, err)
	}
	if reply.Error != nil {
		return lang.Errorf("%s: %s", "%s: %s", what, reply.Error.Desc)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(reply.Return, out); err != nil {
		return lang.Errorf("%s: QEMU's answer can't be read: %w", "%s: QEMU의 응답을 읽을 수 없습니다: %w", what, err)
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
	return overlayNode{}, lang.Errorf("%s has no qcow2 disk %s", "%s에 qcow2 디스크 %s이(가) 없습니다", dom.Name, file)
}
