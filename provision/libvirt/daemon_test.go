package libvirt

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"noriter.dev/noriter/provision/machine"
)

// isolatedEnv marks the test process in a network namespace of its own.
const isolatedEnv = "NORI_TEST_ISOLATED"

// needs skips a test where the host lacks something, and fails it in CI.
func needs(t *testing.T, ok bool, what string) {
	t.Helper()
	switch {
	case ok:
	case os.Getenv("CI") == "true":
		t.Fatal("needs " + what)
	default:
		t.Skip("needs " + what)
	}
}

// TestIsolated brings a private libvirtd to life with a network, without any
// machine, and removes it from every state it can be in.
func TestIsolated(t *testing.T) {
	if dir := os.Getenv(isolatedEnv); dir != "" {
		isolatedTest(t, dir)
		return
	}
	needs(t, os.Geteuid() == 0, "root")
	_, err := lookProgram("libvirtd")
	needs(t, err == nil, "libvirtd")
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestIsolated$", "-test.v", "-test.timeout=3m")
	cmd.Env = append(os.Environ(), isolatedEnv+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	out, runErr := cmd.CombinedOutput()
	d, err := newDaemon(filepath.Join(dir, "libvirt"), "")
	must(t, err)
	procs, err := d.processes()
	must(t, err)
	if len(procs) > 0 {
		t.Errorf("processes %v are left", procs)
		must(t, d.stop(context.Background()))
	}
	if runErr != nil {
		t.Fatalf("%v\n%s", runErr, out)
	}
}

func isolatedTest(t *testing.T, dir string) {
	lo, err := netlink.LinkByName("lo")
	must(t, err)
	must(t, netlink.LinkSetUp(lo))
	g := &playground{img: Image{}}
	g.tb = machine.Testbed{Name: "isolated-testbed", Dir: dir, Subnet: netip.MustParsePrefix("10.98.3.0/24")}
	for name, to := range map[string]*string{"disk": &g.img.Disk, "kernel": &g.img.Kernel, "initrd": &g.img.Initrd} {
		*to = filepath.Join(dir, name)
		must(t, os.WriteFile(*to, make([]byte, 4096), 0o644))
	}
	nori := func() *Provider {
		p, err := New(g.tb, g.img, Options{Isolated: true})
		must(t, err)
		t.Cleanup(func() { p.Close() })
		return p
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if infos, err := nori().List(ctx); err != nil || len(infos) != 0 {
		t.Fatalf("List before anything: %v, %v", infos, err)
	}
	for _, state := range []string{"running", "dnsmasq killed", "libvirtd and dnsmasq killed", "libvirtd killed", "folder of the socket emptied", "prepared twice", "half removed"} {
		must(t, nori().Prepare(ctx))
		pid := pidOf(t, dir)
		br, err := netlink.LinkByName(BridgeName(g.tb.Name))
		must(t, err)
		if addrs, _ := netlink.AddrList(br, netlink.FAMILY_V4); len(addrs) != 1 || addrs[0].IP.String() != "10.98.3.1" {
			t.Fatalf("the bridge has addresses %v", addrs)
		}
		switch state {
		case "running":
			config := filepath.Join(dir, "libvirt", "etc", "libvirtd.conf")
			must(t, os.Remove(config))
			_, err := nori().List(ctx)
			must(t, err)
			if _, err := os.Stat(config); err == nil {
				t.Error("a look at the machines wrote libvirtd's configuration")
			}
			consoleTest(t, ctx, nori, filepath.Join(dir, "libvirt"))
		case "dnsmasq killed", "libvirtd and dnsmasq killed":
			if listens, known := dhcpListens(BridgeName(g.tb.Name)); !listens || !known {
				t.Fatalf("a DHCP server listens: %v, known: %v", listens, known)
			}
			killDHCP(t)
			if state != "dnsmasq killed" {
				must(t, syscall.Kill(pid, syscall.SIGKILL))
			}
			must(t, nori().Prepare(ctx))
			if listens, _ := dhcpListens(BridgeName(g.tb.Name)); !listens {
				t.Errorf("%s: no DHCP server listens", state)
			}
		case "libvirtd killed":
			must(t, syscall.Kill(pid, syscall.SIGKILL))
		case "folder of the socket emptied":
			must(t, emptyDir(filepath.Join(dir, "libvirt", "run")))
		case "prepared twice":
			must(t, syscall.Kill(pid, syscall.SIGKILL))
			must(t, nori().Prepare(ctx))
			if pidOf(t, dir) == pid {
				t.Fatal("the killed libvirtd was not replaced")
			}
		case "half removed":
			must(t, netlink.LinkDel(br))
		}
		must(t, nori().Remove(ctx))
		if left, err := os.ReadDir(filepath.Join(dir, "libvirt")); err == nil {
			t.Fatalf("%s: left in the folder: %v", state, left)
		}
		if _, err := netlink.LinkByName(BridgeName(g.tb.Name)); err == nil {
			t.Fatalf("%s: the bridge is left", state)
		}
		must(t, nori().Remove(ctx))
	}
	lostTest(t, ctx, nori(), dir)
}

// lostTest removes the folder of a testbed whose libvirtd runs.
func lostTest(t *testing.T, ctx context.Context, p *Provider, dir string) {
	must(t, p.Prepare(ctx))
	pid := pidOf(t, dir)
	must(t, os.RemoveAll(filepath.Join(dir, "libvirt")))
	own := func() []machine.Leftover {
		found, err := lostDaemons()
		must(t, err)
		return slices.DeleteFunc(found, func(l machine.Leftover) bool { return l.Dir != dir })
	}
	found := own()
	if len(found) != 1 || !slices.Contains(found[0].Processes, pid) || found[0].Testbed != filepath.Base(dir) {
		t.Fatalf("found %+v, want libvirtd's process %d", found, pid)
	}
	must(t, found[0].Remove(ctx))
	if left := own(); len(left) > 0 {
		t.Errorf("left: %+v", left)
	}
	must(t, removeBridge(BridgeName(p.tb.Name)))
}

// killDHCP kills the dnsmasq of this network namespace and waits until it is gone.
func killDHCP(t *testing.T) {
	t.Helper()
	own, err := os.Readlink("/proc/self/ns/net")
	must(t, err)
	if host, err := os.Readlink("/proc/" + strconv.Itoa(os.Getppid()) + "/ns/net"); err != nil || host == own {
		t.Fatalf("not in a network namespace of its own: %v", err)
	}
	for left := 1; left > 0; time.Sleep(10 * time.Millisecond) { // the test has a time limit
		left = 0
		dirs, err := filepath.Glob("/proc/[0-9]*")
		must(t, err)
		for _, dir := range dirs {
			ns, _ := os.Readlink(dir + "/ns/net")
			name, _ := os.ReadFile(dir + "/comm")
			if pid, _ := strconv.Atoi(filepath.Base(dir)); ns == own && string(name) == "dnsmasq\n" {
				left++
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
			}
		}
	}
}

func pidOf(t *testing.T, dir string) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "libvirt", "run", "libvirtd.pid"))
	must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	must(t, err)
	return pid
}
