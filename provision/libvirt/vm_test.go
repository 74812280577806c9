package libvirt_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/crypto/ssh"

	"noriter.dev/noriter/provision/image"
	"noriter.dev/noriter/provision/libvirt"
	"noriter.dev/noriter/provision/machine"
)

// insideEnv marks the test process that is in a network namespace of its own.
const insideEnv = "NORI_VM_TEST_INSIDE"

// TestVM boots real machines in a network namespace of its own: with
// NORI_VM_TEST=1 one, with NORI_VM_TEST=3 three at once. With NORI_VM_CONNECT
// they are made by the libvirt of that address and not by a private one.
func TestVM(t *testing.T) {
	if os.Getenv("NORI_VM_TEST") == "" {
		t.Skip("NORI_VM_TEST=1 boots a virtual machine, which takes a minute")
	}
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	if os.Getenv("NORI_VM_CONNECT") != "" {
		vmTest(t, t.TempDir())
		return
	}
	if os.Getenv(insideEnv) != "" {
		vmTest(t, os.Getenv(insideEnv))
		return
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestVM$", "-test.v", "-test.timeout=15m")
	cmd.Env = append(os.Environ(), insideEnv+"="+dir)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	runErr := cmd.Run()
	// Whatever became of it, nothing may be left.
	tb := testbed(t, dir, nil)
	p, err := libvirt.New(tb, libvirt.Image{}, libvirt.Options{Isolated: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Remove(context.Background()); err != nil {
		t.Errorf("removing what was left: %v", err)
	}
	if runErr != nil {
		t.Fatalf("in the network namespace: %v", runErr)
	}
}

func testbed(t *testing.T, dir string, names []string) machine.Testbed {
	tb := machine.Testbed{
		Name: "vmtest", Dir: dir, Subnet: netip.MustParsePrefix("10.99.7.0/24"), HostKeys: map[string][]byte{},
	}
	for _, n := range names {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		block, err := ssh.MarshalPrivateKey(key, n)
		if err != nil {
			t.Fatal(err)
		}
		tb.HostKeys[n] = pem.EncodeToMemory(block)
	}
	return tb
}

type vm struct {
	spec   machine.Spec
	config *ssh.ClientConfig
	conn   *ssh.Client
}

func vmTest(t *testing.T, dir string) {
	opts := libvirt.Options{Connect: os.Getenv("NORI_VM_CONNECT")}
	if opts.Connect == "" {
		opts = libvirt.Options{Isolated: true, CacheDir: image.DefaultCacheDir}
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkSetUp(lo); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 12*time.Minute)
	defer cancel()
	img, err := image.Ensure(ctx, image.Options{Progress: func(s string) { t.Log(s) }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := img.EnsureDisk(ctx); err != nil {
		t.Fatal(err)
	}
	names := []string{"control", "node1", "node2"}
	if os.Getenv("NORI_VM_TEST") != "3" {
		names = names[:1]
	}
	tb := testbed(t, dir, names)
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	tb.AuthorizedKey = string(ssh.MarshalAuthorizedKey(signer.PublicKey()))
	files := libvirt.Image{Disk: img.Disk, Kernel: img.Kernel, Initrd: img.Initrd}
	p, err := libvirt.New(tb, files, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer removeAndLook(t, p, tb)

	begin := time.Now()
	step := func(what string) { t.Logf("%6.2f s  %s", time.Since(begin).Seconds(), what) }
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			console(t, dir)
			t.Fatalf("%s: %v", what, err)
		}
		step(what)
	}
	must("prepared", p.Prepare(ctx))
	must("prepared again", p.Prepare(ctx))
	var vms []*vm
	for i, n := range names {
		host, err := ssh.ParsePrivateKey(tb.HostKeys[n])
		if err != nil {
			t.Fatal(err)
		}
		vms = append(vms, &vm{
			spec: machine.Spec{Name: n, Address: netip.AddrFrom4([4]byte{10, 99, 7, byte(10 + i)}), MemoryMiB: 768},
			config: &ssh.ClientConfig{
				User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)},
				HostKeyCallback:   ssh.FixedHostKey(host.PublicKey()),
				HostKeyAlgorithms: []string{ssh.KeyAlgoED25519}, Timeout: time.Second,
			},
		})
	}
	boot := time.Now()
	parallel(t, vms, func(v *vm) error { return p.Ensure(ctx, v.spec) })
	step("switched on")
	parallel(t, vms, func(v *vm) error { return v.dial(ctx) })
	if t.Failed() {
		console(t, dir)
		t.FailNow()
	}
	step(fmt.Sprintf("ssh answers on %d, %.1f s after power-on", len(vms), time.Since(boot).Seconds()))
	for _, v := range vms {
		if got := v.run(t, "hostname"); got != v.spec.Name {
			t.Errorf("host name is %q, want %q", got, v.spec.Name)
		}
	}
	must("again without effect", p.Ensure(ctx, vms[0].spec))
	if opts.Isolated {
		confined(t, dir, img, len(vms))
	}
	if b := os.Getenv("NORI_VM_BLAME"); b != "" {
		t.Log(vms[0].run(t, "systemd-analyze; systemd-analyze blame | head -40; systemctl --failed --no-pager; systemctl list-units --no-pager; ip a; free -m; dmesg | tail -60"))
	}
	snapshots(ctx, t, p, vms, must)
	if opts.Isolated {
		outlive(ctx, t, dir, p, img, vms, must)
	}
}

// outlive kills libvirtd: the machines don't notice, the next call starts
// another that finds them, and a removal works without any.
func outlive(ctx context.Context, t *testing.T, dir string, p *libvirt.Provider, img image.Image, vms []*vm, must func(string, error)) {
	killed := func() {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, "libvirt/run/libvirtd.pid"))
		must("read the pid file", err)
		pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
		must("read the pid", err)
		must("killed libvirtd", syscall.Kill(pid, syscall.SIGKILL))
	}
	killed()
	infos, err := p.List(ctx)
	if err != nil { // the first call may find the connection broken
		infos, err = p.List(ctx)
	}
	must("listed by another libvirtd", err)
	for _, in := range infos {
		if in.State != machine.Running {
			t.Errorf("%s is %s after libvirtd was killed", in.Name, in.State)
		}
	}
	if got := vms[0].run(t, "cat /root/mark"); got != "before" {
		t.Errorf("the machine says %q", got)
	}
	must("saved by another libvirtd", p.Save(ctx, "last"))
	killAll(t)
	err = p.Prepare(ctx)
	if err != nil { // as above
		err = p.Prepare(ctx)
	}
	must("prepared after all was killed at once", err)
	madeByRoot(ctx, t, dir, p, img, vms, must)
	killed()
}

// killAll kills all other processes in the test's network namespace: libvirtd,
// QEMU and dnsmasq. Of the testbed only files and the bridge are left.
func killAll(t *testing.T) {
	t.Helper()
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if host, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", os.Getppid())); err != nil || host == own {
		t.Fatalf("not in a network namespace of its own: %v", err)
	}
	for left := 1; left > 0; time.Sleep(10 * time.Millisecond) { // the test has a time limit
		dirs, err := filepath.Glob("/proc/[0-9]*")
		if err != nil {
			t.Fatal(err)
		}
		left = 0
		for _, dir := range dirs {
			ns, err := os.Readlink(dir + "/ns/net") // none for one that ended
			pid, _ := strconv.Atoi(filepath.Base(dir))
			if err != nil || ns != own || pid == os.Getpid() {
				continue
			}
			left++
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				t.Fatal(err)
			}
		}
	}
}

// snapshots goes back twice: once from a changed machine, once from one that
// was switched off.
func snapshots(ctx context.Context, t *testing.T, p *libvirt.Provider, vms []*vm, must func(string, error)) {
	for _, v := range vms {
		v.run(t, "echo before > /root/mark; sync; echo ram > /run/mark; (sleep 1000 >/dev/null 2>&1 </dev/null & echo $! > /run/pid)")
	}
	must("saved", p.Save(ctx, "base"))
	for _, v := range vms {
		v.run(t, "echo after > /root/mark; rm /run/mark; kill $(cat /run/pid); sync")
	}
	must("saved over it", p.Save(ctx, "later"))
	must("restored", p.Restore(ctx, "base"))
	check := func() {
		t.Helper()
		for _, v := range vms {
			v.conn.Close()
			if err := v.dial(ctx); err != nil {
				t.Fatalf("%s after the restore: %v", v.spec.Name, err)
			}
			if got := v.run(t, "cat /root/mark /run/mark; kill -0 $(cat /run/pid) && echo alive"); got != "before\nram\nalive" {
				t.Errorf("%s went back to %q", v.spec.Name, got)
			}
			now := v.run(t, fmt.Sprintf("date -s @%d >/dev/null; date +%%s", time.Now().Unix()))
			if !strings.HasPrefix(now, fmt.Sprint(time.Now().Unix())[:8]) {
				t.Errorf("clock is %s after it was set", now)
			}
		}
	}
	check()
	must("looked at", nil)
	must("stopped", p.Stop(ctx, vms[0].spec.Name))
	infos, err := p.List(ctx)
	must("listed", err)
	if len(infos) != len(vms) || infos[0].State != machine.Stopped || infos[0].Address != vms[0].spec.Address {
		t.Errorf("List = %+v", infos)
	}
	must("restored from off", p.Restore(ctx, "base"))
	check()
	list, err := p.Snapshots(ctx)
	must("listed snapshots", err)
	if len(list) != 2 || list[0].Name != "base" || !list[0].Memory || list[0].Bytes == 0 {
		t.Errorf("Snapshots = %+v", list)
	}
	t.Logf("snapshot takes %d MiB", list[0].Bytes>>20)
	must("deleted", p.DeleteSnapshot(ctx, "base"))
	if err := p.Restore(ctx, "base"); err == nil || !strings.Contains(err.Error(), "later") {
		t.Errorf("restoring a deleted snapshot: %v", err)
	}
}

func (v *vm) dial(ctx context.Context) error {
	deadline := time.Now().Add(4 * time.Minute)
	for {
		d := net.Dialer{Timeout: time.Second}
		nc, err := d.DialContext(ctx, "tcp", v.spec.Address.String()+":22")
		if err == nil {
			var c ssh.Conn
			var chans <-chan ssh.NewChannel
			var reqs <-chan *ssh.Request
			if c, chans, reqs, err = ssh.NewClientConn(nc, v.spec.Address.String(), v.config); err == nil {
				v.conn = ssh.NewClient(c, chans, reqs)
				return nil
			}
			nc.Close()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no ssh on %s: %w", v.spec.Name, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (v *vm) run(t *testing.T, line string) string {
	t.Helper()
	s, err := v.conn.NewSession()
	if err != nil {
		t.Fatalf("%s: %v", v.spec.Name, err)
	}
	defer s.Close()
	out, err := s.CombinedOutput(line)
	if err != nil {
		t.Fatalf("on %s: %s: %v\n%s", v.spec.Name, line, err, out)
	}
	return strings.TrimSpace(string(out))
}

func parallel(t *testing.T, vms []*vm, f func(*vm) error) {
	t.Helper()
	var wg sync.WaitGroup
	for _, v := range vms {
		wg.Go(func() {
			if err := f(v); err != nil {
				t.Errorf("%s: %v", v.spec.Name, err)
			}
		})
	}
	wg.Wait()
}

func console(t *testing.T, dir string) {
	logs, _ := filepath.Glob(filepath.Join(dir, "libvirt/pool/*.console.log"))
	logs = append(logs, filepath.Join(dir, "libvirt/log/libvirtd.log"))
	for _, l := range logs {
		b, _ := os.ReadFile(l)
		t.Logf("%s:\n%s", filepath.Base(l), b[max(0, len(b)-4000):])
	}
}

func removeAndLook(t *testing.T, p *libvirt.Provider, tb machine.Testbed) {
	begin := time.Now()
	if err := p.Remove(context.Background()); err != nil {
		t.Errorf("Remove: %v", err)
	}
	if err := p.Remove(context.Background()); err != nil {
		t.Errorf("Remove again: %v", err)
	}
	t.Logf("removed in %.2f s", time.Since(begin).Seconds())
	left, _ := os.ReadDir(tb.Dir)
	if len(left) > 0 {
		t.Errorf("left in the folder: %v", left)
	}
	links, err := netlink.LinkList()
	if err != nil {
		t.Error(err)
	}
	for _, l := range links {
		if n := l.Attrs().Name; n == libvirt.BridgeName(tb.Name) || strings.HasPrefix(n, "vnet") && os.Getenv("NORI_VM_CONNECT") == "" {
			t.Errorf("interface %s is left", l.Attrs().Name)
		}
	}
	procs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range procs {
		if b, _ := os.ReadFile(f); strings.Contains(string(b), tb.Dir) && !strings.Contains(string(b), "test") {
			t.Errorf("process %s is left: %q", filepath.Dir(f), b)
		}
	}
}
