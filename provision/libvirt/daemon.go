package libvirt

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/provision/machine"
)

// daemon is a libvirtd of a testbed's own. It runs in the network namespace
// of the process that starts it and in a mount namespace where the folders
// libvirt knows by fixed paths are the testbed's:
//
//	DIR/run   → /run/libvirt        its socket, pid file, the machines' state
//	DIR/etc   → /etc/libvirt        what is defined
//	DIR/lib   → /var/lib/libvirt    monitor sockets, leases
//	DIR/cache → /var/cache/libvirt  what it learnt of QEMU; may be shared
//	DIR/log   → /var/log/libvirt
//
// The rest of /run is hidden, so that it finds no D-Bus: neither firewalld
// nor machined of the host hears of it. With the last of its processes the
// mount namespace is gone too.
type daemon struct {
	dir string
	// cache is DIR/cache, or a folder shared with other testbeds' libvirtds:
	// they write there only whole files, and check what they read.
	cache string
}

// bound are the folders put over libvirt's own, in the order of mounting.
var bound = []struct{ name, over string }{
	{"run", "/run/libvirt"},
	{"etc", "/etc/libvirt"},
	{"lib", "/var/lib/libvirt"},
	{"cache", "/var/cache/libvirt"},
	{"log", "/var/log/libvirt"},
}

const (
	daemonStartLimit = 60 * time.Second
	daemonStopLimit  = 10 * time.Second
)

const libvirtdConf = `# The libvirtd of one testbed. Its socket lies in a folder only root may enter.
auth_unix_rw = "none"
auth_unix_ro = "none"
unix_sock_rw_perms = "0700"
max_client_requests = 32
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
`

// qemuConf: as root, because a /dev/kvm that QEMU's user can't open makes
// libvirt probe QEMU again at every call; consoles written by QEMU itself, so
// that no virtlogd is needed; no cgroups, namespaces or labels of its own,
// because the testbed is removed as a whole.
const qemuConf = `user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
stdio_handler = "file"
security_driver = "none"
cgroup_controllers = []
namespaces = []
`

// startScript runs in the new mount namespace. $1 is the testbed's folder,
// the pairs after it are what is bound over what.
const startScript = `set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755,size=16m nori-run /run
mkdir -p /run/libvirt
while [ $# -gt 0 ]; do
	mount --bind "$1" "$2"
	shift 2
done
exec libvirtd --daemon --config /etc/libvirt/libvirtd.conf --pid-file /run/libvirt/libvirtd.pid
`

func newDaemon(dir, cacheDir string) (*daemon, error) {
	for _, hidden := range []string{"/run", "/var/run", "/etc/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt"} {
		if within(dir, hidden) {
			return nil, fmt.Errorf("the testbed's folder %s lies below %s, which its libvirtd can't see: choose another state folder", dir, hidden)
		}
	}
	d := &daemon{dir: dir, cache: filepath.Join(dir, "cache")}
	if cacheDir != "" {
		d.cache = filepath.Join(cacheDir, "libvirtd")
	}
	return d, nil
}

// source is the folder that is bound over one of libvirt's.
func (d *daemon) source(name string) string {
	if name == "cache" {
		return d.cache
	}
	return d.path(name)
}

// within says whether path is dir or below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

func (d *daemon) path(elem ...string) string {
	return filepath.Join(append([]string{d.dir}, elem...)...)
}

func (d *daemon) socket() string { return d.path("run", "libvirt-sock") }

// answers says whether a libvirtd takes connections at the socket.
func (d *daemon) answers() bool {
	c, err := dialUnix(d.socket())
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// start starts libvirtd if it does not answer. Machines that outlived an
// earlier one are found again by the new one; without any, what that one
// noted of running things is thrown away.
func (d *daemon) start(ctx context.Context) error {
	if err := d.check(); err != nil {
		return err
	}
	if err := d.layOut(); err != nil {
		return err
	}
	unlock, err := lockFile(ctx, d.path("lock"))
	if err != nil {
		return err
	}
	defer unlock()
	procs, err := d.procs()
	if err != nil {
		return err
	}
	if foreign := elsewhere(procs); len(foreign) > 0 {
		// The namespace they run in was replaced; nothing reaches them.
		if err := d.kill(ctx, foreign); err != nil {
			return err
		}
		if procs, err = d.procs(); err != nil {
			return err
		}
	}
	if len(procs) > 0 && d.answers() {
		return nil
	}
	if len(procs) == 0 {
		if err := emptyDir(d.path("run")); err != nil {
			return err
		}
	}
	return d.exec(ctx)
}

// check looks for what is needed before anything is made.
func (d *daemon) check() error {
	if os.Geteuid() != 0 {
		return &machine.HostError{What: "an isolated testbed of virtual machines needs root", Remedy: "sudo nori up --isolated"}
	}
	for _, prog := range []struct{ name, pkg string }{
		{"libvirtd", "libvirt-daemon-system"}, {"qemu-system-x86_64", "qemu-system-x86"}, {"qemu-img", "qemu-utils"}, {"dnsmasq", "dnsmasq-base"},
	} {
		if _, err := lookProgram(prog.name); err != nil {
			return &machine.HostError{What: "the program " + prog.name + " is missing", Err: err, Remedy: packageRemedy}
		}
	}
	for _, b := range bound[1:] {
		if _, err := os.Stat(b.over); err != nil {
			return &machine.HostError{What: "libvirt is not wholly installed", Err: err, Remedy: packageRemedy}
		}
	}
	return nil
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

// layOut makes the folders and the configuration.
func (d *daemon) layOut() error {
	for _, b := range bound {
		if err := os.MkdirAll(d.source(b.name), 0o755); err != nil {
			return fmt.Errorf("making libvirtd's folders: %w", err)
		}
	}
	if err := os.Chmod(d.dir, 0o700); err != nil {
		return fmt.Errorf("closing the driver's folder to others: %w", err)
	}
	for name, content := range map[string]string{"libvirtd.conf": libvirtdConf, "qemu.conf": qemuConf} {
		if err := writeFile(d.path("etc", name), []byte(content)); err != nil {
			return fmt.Errorf("writing libvirtd's configuration: %w", err)
		}
	}
	return nil
}

// exec runs libvirtd; it goes to the background once it answers.
func (d *daemon) exec(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, daemonStartLimit, fmt.Errorf("it was not ready within %s", daemonStartLimit))
	defer cancel()
	args := []string{"-c", startScript, "nori-libvirtd"}
	for _, b := range bound {
		args = append(args, d.source(b.name), b.over)
	}
	cmd := exec.Command("/bin/sh", args...)
	cmd.Env = append(os.Environ(), "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS, Setsid: true}
	// A file, not a pipe: the daemon keeps it open and a pipe would never end.
	out, err := os.Create(d.path("start.log"))
	if err != nil {
		return fmt.Errorf("starting libvirtd: %w", err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting libvirtd: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err = <-done:
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		<-done
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("starting the testbed's libvirtd: %w\n%s", err, d.said())
	}
	return d.waitAnswer(ctx)
}

// waitAnswer waits until the socket takes connections.
func (d *daemon) waitAnswer(ctx context.Context) error {
	for !d.answers() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the testbed's libvirtd to answer: %w\n%s", context.Cause(ctx), d.said())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// said gives the tail of what libvirtd printed, for a message.
func (d *daemon) said() string {
	var lines []string
	for _, f := range []string{d.path("start.log"), d.path("log", "libvirtd.log")} {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		l := strings.Split(strings.TrimSpace(string(b)), "\n")
		lines = append(lines, l[max(0, len(l)-6):]...)
	}
	return "    " + strings.TrimSpace(strings.Join(lines, "\n    "))
}

// stop ends libvirtd and everything it started.
func (d *daemon) stop(ctx context.Context) error {
	procs, err := d.procs()
	if err != nil {
		return err
	}
	return d.kill(ctx, procs)
}
