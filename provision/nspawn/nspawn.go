// Package nspawn makes machines out of containers: the node image with
// systemd, sshd and containerd of its own, booted by systemd-nspawn. They need
// no virtualization and answer after a second.
//
// Each machine is an overlay on the image's root, a plain folder for
// containerd (whose own overlays can't lie on an overlay), users of its own
// (users.go), a tree of cgroups and a card on the testbed's bridge, which is in
// a network namespace of its own (network.go). A small supervisor keeps it running
// apart from this program and starts it again when it reboots itself:
//
//	nori … ─ setsid ─ sh run.sh ─ systemd-nspawn ─ /sbin/init of the machine
//
// What is true of a machine is read from the kernel (its cgroups, its mounts),
// never from a note that may be out of date.
package nspawn

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/distro"
	"noriter.dev/noriter/provision/machine"
)

// Options are what a testbed of container machines may have beside its machines.
type Options struct {
	// Isolated leaves out the link between the testbed's network namespace and the
	// host: this process is inside.
	Isolated bool
}

// Provider makes the container machines of one testbed, in a network namespace of the
// testbed's.
type Provider struct {
	tb    machine.Testbed
	opts  Options
	image string // the node image's root, never written to
	dir   string

	// shifted says whether machines can have users of their own, once that was tried.
	shifts  sync.Once
	shifted bool

	// mu keeps a snapshot or a restore (writer) apart from the calls that
	// concern one machine (readers), which may run side by side.
	mu sync.RWMutex
	// diskMu is for who finds that the disk is not mounted (disk.go).
	diskMu sync.Mutex
}

var (
	_ machine.Provider    = (*Provider)(nil)
	_ machine.Snapshotter = (*Provider)(nil)
)

// New gives the provider of a testbed's machines; root is the node image's tree.
func New(tb machine.Testbed, root string, opts Options) *Provider {
	return &Provider{tb: tb, opts: opts, image: root, dir: filepath.Join(tb.Dir, "nspawn")}
}

// Traits are what container machines have on every host: nothing but root's
// powers is needed, and nothing is their own.
var Traits = machine.Traits{Root: true}

// Traits are the same on this host as on any.
func (p *Provider) Traits(context.Context) (machine.Traits, error) { return Traits, nil }

// tag tells this testbed's things from those of another of the same name.
func (p *Provider) tag(of string) string { return tag(p.tb.Dir, of) }

func tag(dir, of string) string {
	sum := sha256.Sum256([]byte(dir + "\x00" + of))
	return hex.EncodeToString(sum[:])
}

// Prepare makes the network and takes up what an interrupted call left.
func (p *Provider) Prepare(ctx context.Context) error {
	if err := p.check(); err != nil {
		return err
	}
	if err := os.MkdirAll(p.machinesDir(), 0o711); err != nil {
		return lang.Errorf("making the machines' folder: %w", "머신 폴더 만들기: %w", err)
	}
	prepareHost(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.makeNetwork(ctx); err != nil {
		return err
	}
	return p.finishInterrupted(ctx)
}

// check says what this host lacks.
func (p *Provider) check() error {
	if os.Geteuid() != 0 {
		return &machine.HostError{
			What:   lang.T("container machines need root", "컨테이너 머신에는 root 권한이 필요합니다"),
			Remedy: lang.T("run it with sudo", "sudo로 실행하세요"),
		}
	}
	for _, name := range []string{"systemd-nspawn", "flock"} {
		if _, err := exec.LookPath(name); err != nil {
			return &machine.HostError{
				What:   lang.Textf("container machines need the program %s", "컨테이너 머신에는 %s 프로그램이 필요합니다", name).String(),
				Remedy: distro.Remedy(name), Err: err,
			}
		}
	}
	return nil
}

// Ensure makes the machine if it isn't there and starts it if it is stopped.
func (p *Provider) Ensure(ctx context.Context, spec machine.Spec) error {
	if err := checkSpec(spec, p.tb.Subnet); err != nil {
		return err
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if err := p.refuseHalf(); err != nil {
		return err
	}
	m := p.machine(spec.Name)
	if err := m.ensureFiles(ctx, spec); err != nil {
		return lang.Errorf("making machine %s: %w", "머신 %s 만들기: %w", spec.Name, err)
	}
	if err := m.start(ctx); err != nil {
		return lang.Errorf("starting machine %s: %w", "머신 %s 시작: %w", spec.Name, err)
	}
	return nil
}

func checkSpec(spec machine.Spec, subnet netip.Prefix) error {
	if !nameForm.MatchString(spec.Name) {
		return lang.Errorf("%q can't be a machine's name: use a-z, 0-9 and inner dashes, 30 at most",
			"%q은(는) 머신 이름으로 쓸 수 없습니다: a-z, 0-9와 가운데의 붙임표(-)만으로 30자까지 쓰세요", spec.Name)
	}
	if !subnet.Contains(spec.Address) {
		return lang.Errorf("machine %s: address %s is not in the testbed's subnet %s",
			"머신 %s: 주소 %s은(는) 테스트베드의 서브넷 %s에 속하지 않습니다", spec.Name, spec.Address, subnet)
	}
	return nil
}

// Stop switches the machine off as if its power failed.
func (p *Provider) Stop(ctx context.Context, name string) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if err := p.machine(name).stop(ctx); err != nil {
		return lang.Errorf("stopping machine %s: %w", "머신 %s 중지: %w", name, err)
	}
	return nil
}

// List tells of every machine, in order of name.
func (p *Provider) List(context.Context) ([]machine.Info, error) {
	names, err := p.names()
	if err != nil {
		return nil, err
	}
	infos := make([]machine.Info, 0, len(names))
	for _, name := range names {
		m := p.machine(name)
		rec, err := m.readRecord()
		if errors.Is(err, fs.ErrNotExist) {
			continue // Ensure was interrupted before the machine was whole
		}
		if err != nil && !isDamaged(err) {
			return nil, err
		}
		info, ierr := m.info(rec)
		if ierr != nil {
			return nil, ierr
		}
		info.Name = name
		if err != nil { // damaged: it can't tell more than what is seen
			info.Detail = err.Error()
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// names lists the machines' folders in order.
func (p *Provider) names() ([]string, error) {
	entries, err := os.ReadDir(p.machinesDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, lang.Errorf("listing the machines: %w", "머신 목록 읽기: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// RemoveMachine removes one machine with all of its files.
func (p *Provider) RemoveMachine(ctx context.Context, name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.machine(name).remove(ctx); err != nil {
		return lang.Errorf("removing machine %s: %w", "머신 %s 제거: %w", name, err)
	}
	if err := p.ensureDisks(ctx); err != nil {
		return err
	}
	return p.removeUnusedLayers()
}

// Remove removes all of the testbed: machines, snapshots, bridge, files.
func (p *Provider) Remove(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	names, err := p.everyName()
	if err != nil {
		return err
	}
	err = each(names, func(name string) error {
		if err := p.machine(name).remove(ctx); err != nil {
			return lang.Errorf("removing machine %s: %w", "머신 %s 제거: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := p.removeNetwork(); err != nil {
		return lang.Errorf("removing the testbed's network: %w", "테스트베드의 네트워크 제거: %w", err)
	}
	if err := p.removeGroups(ctx); err != nil {
		return err
	}
	if err := removeTree(p.dir); err != nil {
		return lang.Errorf("removing the machines' folder: %w", "머신 폴더 제거: %w", err)
	}
	return nil
}

// each runs f for all names at once and gives their errors together.
func each(names []string, f func(string) error) error {
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { errs[i] = f(name) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
