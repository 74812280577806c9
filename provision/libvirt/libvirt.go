// Package libvirt makes the machines of a testbed as virtual machines, through
// libvirt's own protocol and without its C library.
//
// A machine boots the node image's kernel directly; its disk is a qcow2
// overlay on the image that all machines share; its SSH keys come by SMBIOS,
// so nothing has to run in it first; its address is a fixed lease of the
// testbed's NAT network. Everything goes through the storage, network and
// domain calls of libvirt, so a host reached by qemu+ssh:// serves as well as
// this one. A testbed may also have a libvirtd of its own, inside its network
// namespace and with folders of its own, beside the host's.
//
// Snapshots are QEMU's internal ones of memory and disk together. Going back
// needs no boot; the guests' clocks are then as old as the snapshot, and the
// layer that has SSH sets them first.
package libvirt

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
	"noriter.dev/noriter/provision/kvm"
	"noriter.dev/noriter/provision/machine"
)

// Traits are what virtual machines have on every host.
var Traits = machine.Traits{OwnKernel: true, OwnClock: true, KeepsMemory: true, Disk: true, Parcel: true}

// Image is the node image as virtual machines need it; paths on this host.
type Image struct {
	// Disk is the root file system, qcow2 or raw, without partitions. It must
	// not change or go while a testbed uses it.
	Disk string
	// Kernel and Initrd are booted directly.
	Kernel, Initrd string
}

// Options say which libvirt, and how.
type Options struct {
	// Connect is libvirt's address: qemu:///system (the default),
	// qemu+unix:///system?socket=PATH, or qemu+ssh://USER@HOST/system.
	Connect string
	// Isolated runs a libvirtd for this testbed alone, in the network
	// namespace this process is in. Connect must be empty then.
	Isolated bool
	// CacheDir keeps, in a sub-folder "libvirtd", what the libvirtds of isolated
	// testbeds learn of QEMU, which takes each some seconds otherwise. Empty
	// means that it is not kept.
	CacheDir string
	// Parcel makes the disk that a new machine finds mounted on
	// machine.ParcelDir (image.Parcel), and gives its path. It is asked only
	// where QEMU can read it in place; nil means that there is none.
	Parcel func(ctx context.Context) (string, error)

	// virt is "kvm" or "qemu" (emulation); empty means kvm where it runs guests.
	// Tests name one.
	virt string
	// listens says whether a DHCP server listens on a bridge; nil looks. servingLimit is
	// how long it may take to; 0 is the usual. Tests play one.
	listens      func(bridge string) (listens, known bool)
	servingLimit time.Duration
}

// Provider makes and removes the virtual machines of one testbed. It
// implements machine.Provider and machine.Snapshotter; its methods may be
// called from several goroutines.
type Provider struct {
	tb     machine.Testbed
	img    Image
	opts   Options
	target target
	dir    string  // tb.Dir/libvirt
	daemon *daemon // nil unless isolated

	mu    sync.Mutex // guards what follows
	conn  *conn
	virt  string
	files *bootFiles
	// network serializes changes of the network's leases.
	network sync.Mutex
}

var (
	_ machine.Provider    = (*Provider)(nil)
	_ machine.Snapshotter = (*Provider)(nil)
)

// New gives the provider of a testbed. It touches nothing yet; the image may
// be empty where only List, Stop, Restore or Remove are wanted.
func New(tb machine.Testbed, img Image, opts Options) (*Provider, error) {
	if err := checkTestbed(tb); err != nil {
		return nil, err
	}
	switch opts.virt {
	case "", "kvm", "qemu":
	default:
		return nil, lang.Errorf("virtualization %q is not known: use kvm or qemu", "가상화 방식 %q을(를) 모릅니다: kvm이나 qemu를 쓰세요", opts.virt)
	}
	p := &Provider{tb: tb, img: img, opts: opts, dir: filepath.Join(tb.Dir, driverDir)}
	if opts.Isolated {
		if opts.Connect != "" {
			return nil, lang.Errorf("an isolated testbed has a libvirtd of its own: leave the connect address empty",
				"격리된 테스트베드에는 자기 libvirtd가 있습니다: 연결 주소를 비워 두세요")
		}
		d, err := newDaemon(p.dir, opts.CacheDir)
		if err != nil {
			return nil, err
		}
		p.daemon, p.target = d, target{uri: systemURI, socket: d.socket()}
		return p, nil
	}
	t, err := parseConnect(opts.Connect)
	if err != nil {
		return nil, err
	}
	p.target = t
	return p, nil
}

// driverDir is the folder in a testbed's own that is this driver's.
const driverDir = "libvirt"

// checkTestbed refuses what would make names or paths that libvirt can't hold.
func checkTestbed(tb machine.Testbed) error {
	if tb.Name == "" || len(tb.Name) > 20 {
		return lang.Errorf("testbed name %q: 1 to 20 characters are needed", "테스트베드 이름 %q: 1~20자여야 합니다", tb.Name)
	}
	for i, r := range tb.Name {
		ok := r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' && i > 0
		if !ok {
			return lang.Errorf("testbed name %q: only a-z, 0-9 and - may be in it", "테스트베드 이름 %q: a-z, 0-9, -만 쓸 수 있습니다", tb.Name)
		}
	}
	if !filepath.IsAbs(tb.Dir) {
		return lang.Errorf("testbed folder %q: an absolute path is needed", "테스트베드 폴더 %q: 절대 경로여야 합니다", tb.Dir)
	}
	return nil
}

// Traits adds whether the machines are emulated here.
func (p *Provider) Traits(ctx context.Context) (machine.Traits, error) {
	c, err := p.connect(ctx)
	if err != nil {
		return machine.Traits{}, err
	}
	virt, err := p.virtType(ctx, c)
	traits := Traits
	traits.Emulated = virt == emulated
	return traits, err
}

// virtType decides between kvm and emulation, once.
func (p *Provider) virtType(ctx context.Context, c *conn) (string, error) {
	p.mu.Lock()
	virt := p.virt
	p.mu.Unlock()
	if virt != "" {
		return virt, nil
	}
	if virt = p.opts.virt; virt == "" {
		virt = emulated
		// Its own libvirt is all we can ask another host; here it is asked
		// last, since it starts QEMU several times to find out.
		works := p.target.remote()
		if !works {
			works, _ = kvm.Works(ctx)
		}
		if works {
			has, err := c.hasKVM(ctx)
			if err != nil {
				return "", err
			}
			if has {
				virt = "kvm"
			}
		}
	}
	p.mu.Lock()
	p.virt = virt
	p.mu.Unlock()
	return virt, nil
}

// connect gives the connection and makes it if there is none; an isolated
// testbed's libvirtd is started if it is not running.
func (p *Provider) connect(ctx context.Context) (*conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil && p.conn.alive() {
		return p.conn, nil
	}
	c, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	p.conn = c
	return c, nil
}

// dial connects. A private libvirtd that was just killed may still have taken
// the connection; the next try finds it gone and starts another.
func (p *Provider) dial(ctx context.Context) (*conn, error) {
	if p.daemon == nil {
		return dial(ctx, p.target)
	}
	var c *conn
	tries := 0
	what := lang.Text{EN: "the testbed's libvirtd to take a connection", KO: "테스트베드의 libvirtd가 연결을 받기"}
	err := wait.Until(ctx, 100*time.Millisecond, what, func(ctx context.Context) (bool, string, error) {
		if err := p.daemon.start(ctx); err != nil {
			return false, "", err
		}
		var err error
		if c, err = dial(ctx, p.target); err == nil {
			return true, "", nil
		}
		if tries++; tries == 3 {
			return false, "", err
		}
		return false, err.Error(), nil
	})
	return c, err
}

// Close ends the connection to libvirt; the machines run on.
func (p *Provider) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == nil {
		return nil
	}
	c := p.conn
	p.conn = nil
	return c.close()
}

// Prepare makes what the machines share: the storage pool with the image in
// it or behind it, and the network. A restore that was interrupted is
// completed first, since until then the machines are of different times.
func (p *Provider) Prepare(ctx context.Context) error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return lang.Errorf("making the driver's folder: %w", "드라이버 폴더 만들기: %w", err)
	}
	c, err := p.connect(ctx)
	if err != nil {
		return err
	}
	if err := p.ensureNetwork(ctx, c); err != nil {
		return err
	}
	if err := p.ensurePool(ctx, c, poolName(p.tb.Name), p.poolPath()); err != nil {
		return err
	}
	if _, err := p.bootFiles(ctx, c); err != nil {
		return err
	}
	return p.resumeRestore(ctx)
}
