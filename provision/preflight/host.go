package preflight

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/ambient"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/netns"
)

// Host is what the checks ask; tests put their own in its place.
type Host struct {
	// Root is put before every path.
	Root string
	// Arch is the processor's, in Go's words.
	Arch   string
	EUID   int
	Now    func() time.Time
	CPUs   func() int
	Look   func(program string) (string, error)
	Run    func(ctx context.Context, name string, args ...string) error
	Free   func(dir string) (uint64, error)
	Bridge func() error
	Links  func() (map[string][]netip.Prefix, error)
	Routes func() ([]netip.Prefix, error)
	// LinkMark and NamespaceMark are what a network card and a testbed's network
	// namespace are marked with, "" where nothing is there.
	LinkMark, NamespaceMark func(name string) string
}

// ThisHost looks at the host that this program runs on.
func ThisHost() Host {
	return Host{
		Root: "/", Arch: runtime.GOARCH, EUID: os.Geteuid(), Now: time.Now, CPUs: runtime.NumCPU,
		Look: lookProgram, Run: runCommand, Free: freeBytes,
		Bridge: tryBridge, Links: linkAddresses, Routes: routeTargets,
		LinkMark: linkMark, NamespaceMark: namespaceMark,
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
	cmd.Env = append(ambient.Outgoing(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
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
			return 0, lang.Errorf("asking for the space below %s: %w", "%s의 남은 공간 묻기: %w", dir, err)
		}
		dir = filepath.Dir(dir)
	}
}

// tryBridge makes a bridge with a virtual cable's end in it, in a network namespace
// that is gone afterwards: this host's own network hears nothing of it.
func tryBridge() error {
	return Apart(unix.CLONE_NEWNET, func() error {
		bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "nori-try"}}
		if err := netlink.LinkAdd(bridge); err != nil {
			return lang.Errorf("making a bridge: %w", "브리지 만들기: %w", err)
		}
		cable := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "nori-end", MasterIndex: bridge.Attrs().Index}, PeerName: "nori-other"}
		if err := netlink.LinkAdd(cable); err != nil {
			return lang.Errorf("making a virtual cable (veth): %w", "가상 케이블(veth) 만들기: %w", err)
		}
		return nil
	})
}

// Apart does something on a thread with namespaces of its own (clone(2)), which end
// with it. Programs that it starts are in them, too.
func Apart(namespaces int, do func() error) error {
	done := make(chan error, 1)
	go apart(namespaces, do, done)
	return <-done
}

func apart(namespaces int, do func() error, done chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The first thread does not end before the process, and is what /proc/self
		// shows: it is held while another does it.
		defer runtime.UnlockOSThread()
		other := make(chan error, 1)
		go apart(namespaces, do, other)
		done <- <-other
		return
	}
	// Never unlocked: the thread ends here.
	if err := unix.Unshare(namespaces | unix.CLONE_FS); err != nil {
		done <- lang.Errorf("making a namespace: %w", "네임스페이스 만들기: %w", err)
		return
	}
	done <- do()
}

func linkMark(name string) string {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return ""
	}
	return link.Attrs().Alias
}

func namespaceMark(testbed string) string {
	mark, err := netns.Mark(testbed)
	if err != nil {
		return ""
	}
	return mark
}

// linkAddresses gives the network interfaces with their addresses.
func linkAddresses() (map[string][]netip.Prefix, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, lang.Errorf("listing network interfaces: %w", "네트워크 인터페이스 나열: %w", err)
	}
	out := map[string][]netip.Prefix{}
	for _, l := range links {
		addrs, err := netlink.AddrList(l, netlink.FAMILY_V4)
		if err != nil {
			return nil, lang.Errorf("listing the addresses of %s: %w", "%s의 주소 나열: %w", l.Attrs().Name, err)
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
		return nil, lang.Errorf("listing routes: %w", "경로 나열: %w", err)
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

// UserName is who should be in a group: behind sudo, the one before it.
func UserName() string {
	if u := os.Getenv("SUDO_USER"); u != "" {
		return u
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "$USER"
}
