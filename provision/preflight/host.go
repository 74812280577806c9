package preflight

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"noriter.dev/noriter/provision/libvirt"
	"noriter.dev/noriter/provision/preflight/kvm"
)

// host is what the checks ask; tests put their own in its place.
type host struct {
	// root is put before every path.
	root    string
	euid    int
	now     func() time.Time
	cpus    func() int
	look    func(program string) (string, error)
	run     func(ctx context.Context, name string, args ...string) error
	free    func(dir string) (uint64, error)
	kvm     func(ctx context.Context) (bool, string)
	bridge  func() error
	overlay func(dir string) error
	links   func() (map[string][]netip.Prefix, error)
	routes  func() ([]netip.Prefix, error)
	libvirt func(ctx context.Context, connect string) error
	clashes func(ctx context.Context, connect, testbed, dir string) ([]string, error)
}

func thisHost() host {
	return host{
		root: "/", euid: os.Geteuid(), now: time.Now, cpus: runtime.NumCPU,
		look: lookProgram, run: runCommand, free: freeBytes, kvm: kvm.Works,
		bridge: tryBridge, overlay: tryOverlay, links: linkAddresses, routes: routeTargets,
		libvirt: libvirt.Probe, clashes: libvirt.Clashes,
	}
}

// lookProgram finds a program also where only root's path leads.
func lookProgram(name string) (string, error) {
	p, err := exec.LookPath(name)
	if err == nil {
		return p, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return p, nil
		}
	}
	return "", err
}

// fixLimit is how long one repair may take; installing packages is the
// longest.
const fixLimit = 10 * time.Minute

// runCommand runs a repair and gives the tail of what it printed on failure.
func runCommand(ctx context.Context, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, fixLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return fmt.Errorf("%s %s: %w\n    %s", name, strings.Join(args, " "), err, strings.Join(lines[max(0, len(lines)-5):], "\n    "))
}

// freeBytes is what a user may still write below a folder, or below the
// nearest one above it that exists.
func freeBytes(dir string) (uint64, error) {
	for {
		var st unix.Statfs_t
		err := unix.Statfs(dir, &st)
		if err == nil {
			return st.Bavail * uint64(st.Bsize), nil
		}
		if !errors.Is(err, unix.ENOENT) || dir == filepath.Dir(dir) {
			return 0, fmt.Errorf("asking for the space below %s: %w", dir, err)
		}
		dir = filepath.Dir(dir)
	}
}

// tryBridge makes a bridge and removes it again.
func tryBridge() error {
	name := fmt.Sprintf("nori-t%d", os.Getpid()%1000000)
	link := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name}}
	if err := netlink.LinkAdd(link); err != nil {
		return fmt.Errorf("making a bridge: %w", err)
	}
	if err := netlink.LinkDel(link); err != nil {
		return fmt.Errorf("removing bridge %s again: %w", name, err)
	}
	return nil
}

// tryOverlay mounts an overlay below a folder, on a thread with a mount
// namespace of its own that ends with it.
func tryOverlay(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(dir, ".doctor-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	for _, d := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(tmp, d), 0o755); err != nil {
			return err
		}
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends here
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
				return fmt.Errorf("a mount namespace: %w", err)
			}
			if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
				return fmt.Errorf("a private mount namespace: %w", err)
			}
			opts := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", tmp)
			merged := filepath.Join(tmp, "merged")
			if err := unix.Mount("overlay", merged, "overlay", 0, opts); err != nil {
				return fmt.Errorf("mounting an overlay: %w", err)
			}
			return unix.Unmount(merged, 0)
		}()
	}()
	return <-done
}

// linkAddresses gives the network interfaces with their addresses.
func linkAddresses() (map[string][]netip.Prefix, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("listing network interfaces: %w", err)
	}
	out := map[string][]netip.Prefix{}
	for _, l := range links {
		addrs, err := netlink.AddrList(l, netlink.FAMILY_V4)
		if err != nil {
			return nil, fmt.Errorf("listing the addresses of %s: %w", l.Attrs().Name, err)
		}
		name := l.Attrs().Name
		out[name] = nil
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.IPNet.String()); err == nil {
				out[name] = append(out[name], p)
			}
		}
	}
	return out, nil
}

// routeTargets gives the networks that routes lead to, without the default.
func routeTargets() ([]netip.Prefix, error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("listing routes: %w", err)
	}
	var out []netip.Prefix
	for _, r := range routes {
		if r.Dst == nil {
			continue
		}
		if p, err := netip.ParsePrefix(r.Dst.String()); err == nil && p.Bits() > 0 {
			out = append(out, p)
		}
	}
	return out, nil
}
