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

	"noriter.dev/noriter/internal/filelock"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
	"noriter.dev/noriter/provision/distro"
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
	// shared is the cache of the testbeds, where images lie; empty is none.
	shared string
}

// boundDir is a folder of the testbed's and what it is put over; mode is for
// those who are not root.
type boundDir struct {
	name, over string
	mode       os.FileMode
}

// bound are the folders put over libvirt's own, in the order of mounting.
var bound = []boundDir{
	{"run", "/run/libvirt", 0o755},
	{"etc", "/etc/libvirt", 0o700},
	{"lib", "/var/lib/libvirt", 0o755},
	{"cache", "/var/cache/libvirt", 0o755},
	{"log", "/var/log/libvirt", 0o700},
}

const (
	daemonStartLimit = 60 * time.Second
	daemonStopLimit  = 10 * time.Second
)

func newDaemon(dir, cacheDir string) (*daemon, error) {
	for _, hidden := range []string{"/run", "/var/run", "/etc/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt"} {
		if within(dir, hidden) {
			return nil, lang.Errorf("the testbed's folder %s lies below %s, which its libvirtd can't see: choose another state folder",
				"테스트베드의 폴더 %s이(가) %s 아래에 있어서 테스트베드의 libvirtd가 볼 수 없습니다: 다른 상태 폴더를 고르세요", dir, hidden)
		}
	}
	d := &daemon{dir: dir, cache: filepath.Join(dir, "cache"), shared: cacheDir}
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

// start starts libvirtd and virtlogd, whichever does not answer.
func (d *daemon) start(ctx context.Context) error {
	if err := d.startLibvirtd(ctx); err != nil {
		return err
	}
	return d.startLog(ctx)
}

// startLibvirtd starts libvirtd if it does not answer. Machines that outlived an
// earlier one are found again by the new one; without any, what that one
// wrote down of running things is thrown away.
func (d *daemon) startLibvirtd(ctx context.Context) error {
	// Whoever only looks must not have to write: the disk may be full.
	if procs, err := d.processes(); err == nil && len(procs) > 0 && len(inAnotherNetwork(procs)) == 0 && d.answers() {
		return nil
	}
	u, err := d.check()
	if err != nil {
		return err
	}
	if err := d.layOut(u); err != nil {
		return err
	}
	unlock, err := filelock.Lock(ctx, d.path("lock"), lang.Text{
		EN: "another nori to start the testbed's libvirtd", KO: "다른 nori가 테스트베드의 libvirtd를 시작하기",
	}, nil)
	if err != nil {
		return err
	}
	defer unlock()
	procs, err := d.processes()
	if err != nil {
		return err
	}
	if foreign := inAnotherNetwork(procs); len(foreign) > 0 {
		// The namespace they run in was replaced; nothing reaches them.
		if err := d.kill(ctx, foreign); err != nil {
			return err
		}
		if procs, err = d.processes(); err != nil {
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

// check looks for what is needed before anything is made, and for whom QEMU
// will run as.
func (d *daemon) check() (qemuUser, error) {
	if os.Geteuid() != 0 {
		return qemuUser{}, &machine.HostError{
			What:   lang.T("an isolated testbed of virtual machines needs root", "격리된 가상 머신 테스트베드에는 root 권한이 필요합니다"),
			Remedy: "sudo nori up --isolated",
		}
	}
	for _, prog := range hostPrograms {
		if _, err := lookProgram(prog); err != nil {
			return qemuUser{}, &machine.HostError{Err: err, Remedy: distro.Remedy(hostPrograms...),
				What: lang.Textf("the program %s is missing", "%s 프로그램이 없습니다", prog).String()}
		}
	}
	for _, b := range bound[1:] {
		if _, err := os.Stat(b.over); err != nil {
			return qemuUser{}, &machine.HostError{Err: err, Remedy: distro.Remedy(hostPrograms...),
				What: lang.T("libvirt is not wholly installed", "libvirt가 온전히 설치되어 있지 않습니다")}
		}
	}
	return hostQEMUUser()
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

// exec runs libvirtd; it goes to the background once it answers.
func (d *daemon) exec(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, daemonStartLimit, lang.Errorf("it was not ready within %s",
		"%s 안에 준비되지 않았습니다", daemonStartLimit))
	defer cancel()
	args, err := d.startArgs()
	if err != nil {
		return err
	}
	cmd := exec.Command("/bin/sh", append([]string{"-c", startScript, "nori-libvirtd"}, args...)...)
	cmd.Env = daemonEnv()
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS, Setsid: true}
	// A file, not a pipe: the daemon keeps it open and a pipe would never end.
	out, err := os.Create(d.path("start.log"))
	if err != nil {
		return lang.Errorf("starting libvirtd: %w", "libvirtd 시작: %w", err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return lang.Errorf("starting libvirtd: %w", "libvirtd 시작: %w", err)
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
		return lang.Errorf("starting the testbed's libvirtd: %w\n%s", "테스트베드의 libvirtd 시작: %w\n%s", err, d.said())
	}
	return d.waitAnswer(ctx)
}

// waitAnswer waits until the socket takes connections.
func (d *daemon) waitAnswer(ctx context.Context) error {
	what := lang.Text{EN: "the testbed's libvirtd to answer", KO: "테스트베드의 libvirtd의 응답"}
	err := wait.Until(ctx, 20*time.Millisecond, what, func(context.Context) (bool, string, error) { return d.answers(), "", nil })
	if err != nil {
		return fmt.Errorf("%w\n%s", err, d.said())
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
	procs, err := d.processes()
	if err != nil {
		return err
	}
	return d.kill(ctx, procs)
}
