package nspawn

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"noriter.dev/noriter/internal/build"
	"noriter.dev/noriter/internal/format"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
)

var nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$`)

func (p *Provider) machinesDir() string { return filepath.Join(p.dir, "machines") }

// node is one machine's place on this host.
type node struct {
	p    *Provider
	name string
	dir  string
}

func (p *Provider) machine(name string) *node {
	return &node{p: p, name: name, dir: filepath.Join(p.machinesDir(), name)}
}

func (m *node) upper() string        { return filepath.Join(m.data(), "upper") }
func (m *node) work() string         { return filepath.Join(m.data(), "work") }
func (m *node) root() string         { return filepath.Join(m.dir, "root") }
func (m *node) containerd() string   { return filepath.Join(m.data(), "containerd") }
func (m *node) imageView() string    { return filepath.Join(m.dir, "image") }
func (m *node) console() string      { return filepath.Join(m.dir, "console.log") }
func (m *node) olderConsole() string { return m.console() + ".1" }
func (m *node) script() string       { return filepath.Join(m.dir, "run.sh") }
func (m *node) exitFile() string     { return filepath.Join(m.dir, "exit") }
func (m *node) recordFile() string   { return filepath.Join(m.dir, recordName) }

const recordName = "machine.json"

// unit is the name that systemd-nspawn knows the machine by: unique on this
// host, and short enough for the card "vb-UNIT" to keep it whole.
func (m *node) unit() string {
	return strings.Trim(m.name[:min(6, len(m.name))], "-") + "-" + m.p.tag(m.name)[:5]
}

// record is what a machine was made as. It is written when all else is there.
type record struct {
	// Version is the format of the machine's folder; before 1 there was no number.
	Version int    `json:"version"`
	Nori    string `json:"nori"`

	Spec machine.Spec `json:"spec"`
	// Layers are the folders between the machine's own and the image, the
	// uppermost first; a restored snapshot is one.
	Layers []string `json:"layers,omitempty"`
	// Users is the first host id of the machine's users; 0 means that they are the
	// host's, as in machines of older versions and on hosts that can't do otherwise.
	Users int `json:"users,omitempty"`
	// CPUs is how many processors' time the machine may use; 0 is all. Those of Spec were
	// no limit before there was this field, and must not become one.
	CPUs int `json:"cpus,omitempty"`
	// Disk tells the disk that the machine was made with from every other; "" is none.
	Disk string `json:"disk,omitempty"`
}

// readRecord reads the machine's record. Its error is fs.ErrNotExist where the machine
// was never whole, and a *damagedError where it was.
func (m *node) readRecord() (record, error) {
	var n record
	b, err := os.ReadFile(m.recordFile())
	if errors.Is(err, fs.ErrNotExist) && m.started() {
		return n, m.damaged(lang.Errorf("it is missing", "파일이 없습니다"))
	}
	if err != nil {
		return n, lang.Errorf("reading machine %s: %w", "머신 %s 읽기: %w", m.name, err)
	}
	if err := json.Unmarshal(b, &n); err != nil {
		return n, m.damaged(err)
	}
	if n.Spec.Name != m.name || !n.Spec.Address.IsValid() {
		return n, m.damaged(lang.Errorf("it is not of this machine", "이 머신의 것이 아닙니다"))
	}
	return n, format.Check(lang.Textf("the machine %s", "머신 %s", m.name), n.Version, recordVersion, n.Nori)
}

// recordVersion is the format of a machine's folder. 2 brought users of the machine's
// own: for an older nori, all of its files would be strangers'. 3 brought the machine's
// disk, which an older one would not find: machines without one are still of 2.
const recordVersion = 3

func (m *node) writeRecord(n record) error {
	n.Version, n.Nori = recordVersion, build.Version()
	if n.Disk == "" {
		n.Version = recordVersion - 1
	}
	return writeJSON(m.recordFile(), n)
}

// started says whether the machine was ever switched on, which it is only with a
// record: the supervisor's script is written at each start. The folder may be hidden
// below a mount of somebody's while the machine runs.
func (m *node) started() bool {
	if _, err := os.Stat(m.script()); err == nil {
		return true
	}
	g, err := m.group()
	if err != nil {
		return false
	}
	pids, err := g.pids()
	return err == nil && len(pids) > 0
}

// info is what is true of the machine now.
func (m *node) info(rec record) (machine.Info, error) {
	info := machine.Info{Name: m.name, Address: rec.Spec.Address, State: machine.Stopped}
	g, err := m.group()
	if err != nil {
		return info, err
	}
	pids, err := g.pids()
	if err != nil {
		return info, err
	}
	switch {
	case len(pids) == 0:
		info.Detail, info.Console = m.exitDetail(), m.consoleTail()
	case g.standsStill():
		info.State = machine.Paused
		info.Detail = lang.T("a snapshot is being saved, or was interrupted", "스냅샷을 저장하는 중이거나, 저장이 중단되었습니다")
	default:
		info.State, info.Detail = machine.Running, lang.T("container ", "컨테이너 ")+m.unit()
	}
	return info, nil
}

// ensureFiles makes the machine's folder. A machine without its record was
// interrupted in the making and is made anew.
func (m *node) ensureFiles(ctx context.Context, spec machine.Spec) error {
	old, err := m.readRecord()
	if err == nil {
		if err := m.lostDisk(old); err != nil {
			return err
		}
		if old.Spec.Address != spec.Address {
			return lang.Errorf("it was made with address %s, not %s: remove it first",
				"이 머신은 주소 %s(으)로 만들었으므로 %s(으)로 바꿀 수 없습니다: 먼저 머신을 제거하세요", old.Spec.Address, spec.Address)
		}
		if old.Spec != spec || old.CPUs != spec.CPUs {
			old.Spec, old.CPUs = spec, spec.CPUs // limits; they apply from the next start
			return m.writeRecord(old)
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err // a damaged one, too: only a snapshot tells which layers the machine has
	}
	if err := m.unmountRoot(ctx); err != nil {
		return err
	}
	if err := m.p.moveToTrash(m.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(m.root(), 0o700); err != nil {
		return err
	}
	if err := m.makeDisk(ctx, spec.DiskGiB); err != nil {
		return err
	}
	if err := os.Mkdir(m.work(), 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(m.containerd(), 0o700); err != nil {
		return err
	}
	if err := m.makeUpper(); err != nil {
		return err
	}
	if err := m.writeFirstBoot(spec); err != nil {
		return err
	}
	return m.settle(ctx, spec)
}

// makeUpper makes an empty upper folder that looks like the image's root, since
// its mode is that of the machine's "/".
func (m *node) makeUpper() error {
	return mirrorDir(m.p.image, m.upper())
}
