package netns

import (
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"errors"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/provision/machine"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("needs root")
	}
	t.Skip("needs root")
}

// temporary makes a namespace that is removed at the end; it needs root.
func temporary(t *testing.T, name string) {
	t.Helper()
	needRoot(t)
	if err := Create(name, "/"+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := Delete(name); err != nil {
			t.Error(err)
		}
	})
}

// TestMain lets the test program be its own child: see TestEnter.
func TestMain(m *testing.M) {
	if name := os.Getenv("NETNS_TEST_ENTER"); name != "" {
		if err := Enter(name); err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		if os.Getenv("NETNS_TEST_LISTEN") != "" {
			listenOutsideForOne()
		}
		current, _ := Current()
		os.Stdout.WriteString(current + " " + strings.Join(os.Args[1:], " "))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestCreateDelete(t *testing.T) {
	needRoot(t)
	const name = "test-create"
	t.Cleanup(func() {
		if err := Delete(name); err != nil {
			t.Error(err)
		}
	})
	// An interrupted call leaves an empty file.
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(Path(name), nil, 0o444); err != nil {
		t.Fatal(err)
	}
	if Exists(name) {
		t.Fatal("an empty file counts as a namespace")
	}
	for range 2 {
		if err := Create(name, "/"+name); err != nil {
			t.Fatal(err)
		}
	}
	if in, err := Inside(name); err != nil || in {
		t.Fatalf("Inside = %v, %v; the creator must stay outside", in, err)
	}
	var links []netlink.Link
	err := Do(name, func() (err error) {
		links, err = netlink.LinkList()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(links) == 0 || links[0].Attrs().Name != "lo" || links[0].Attrs().Flags&1 == 0 {
		t.Fatalf("links = %v, want a loopback that is up", links)
	}
	for range 2 {
		if err := Delete(name); err != nil {
			t.Fatal(err)
		}
	}
	if Exists(name) {
		t.Fatal("still there")
	}
}

func TestProcesses(t *testing.T) {
	const name = "test-processes"
	temporary(t, name)
	if pids, err := Processes(name); err != nil || len(pids) != 0 {
		t.Errorf("Processes = %v, %v; nobody is inside", pids, err)
	}
	argv := Argv(name, "sleep", "60")
	c := exec.Command(argv[0], argv[1:]...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	}()
	var pids []int
	for range 100 { // until it has entered
		var err error
		if pids, err = Processes(name); err != nil {
			t.Fatal(err)
		}
		if len(pids) > 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if len(pids) != 1 || pids[0] != c.Process.Pid {
		t.Errorf("Processes = %v, want %d", pids, c.Process.Pid)
	}
}

func TestEnter(t *testing.T) {
	const name = "test-enter"
	temporary(t, name)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.StartProcess(self, []string{self, "up", "--isolated"}, &os.ProcAttr{
		Env: append(os.Environ(), "NETNS_TEST_ENTER="+name), Files: []*os.File{nil, w, os.Stderr},
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	buf := make([]byte, 200)
	n, _ := r.Read(buf)
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := string(buf[:n]); got != name+" up --isolated" {
		t.Errorf("inside: %q, want the namespace's name and the same arguments", got)
	}
}

func TestBadName(t *testing.T) {
	for _, name := range []string{"", "../x", "a/b", "Upper", "-a", "a-", strings.Repeat("a", 41)} {
		if err := Create(name, "/"+name); err == nil {
			t.Errorf("Create(%q) was accepted", name)
		}
	}
}

func TestChoose(t *testing.T) {
	p := netip.MustParsePrefix
	for _, c := range []struct {
		name string
		used []netip.Prefix
		want []netip.Prefix
		out  string
	}{
		{"nothing used", nil, nil, "10.77.0.0/24"},
		{"the first is used", []netip.Prefix{p("10.77.0.0/24")}, nil, "10.77.1.0/24"},
		{"a wider route covers some", []netip.Prefix{p("10.77.0.0/22")}, nil, "10.77.4.0/24"},
		{"a host route lies inside", []netip.Prefix{p("10.77.0.9/32")}, nil, "10.77.1.0/24"},
		{"a wish", nil, []netip.Prefix{p("192.168.9.7/24")}, "192.168.9.0/24"},
		{"a wish in vain", []netip.Prefix{p("192.168.0.0/16")}, []netip.Prefix{p("192.168.9.0/24")}, ""},
		{"a VPN takes 10/8", []netip.Prefix{p("10.0.0.0/8")}, nil, "10.77.0.0/24"},
		{"a VPN takes everything by halves", []netip.Prefix{p("0.0.0.0/1"), p("128.0.0.0/1")}, nil, "10.77.0.0/24"},
		{"all of 10.77/16", []netip.Prefix{p("10.77.0.0/16")}, nil, "192.168.255.0/24"},
		{"all candidates", []netip.Prefix{p("10.77.0.0/16"), p("192.168.0.0/16"), p("172.31.0.0/16")}, nil, ""},
	} {
		got, err := choose(c.used, c.want)
		if c.out == "" {
			var lacks *machine.HostError
			if !errors.As(err, &lacks) || !strings.Contains(lacks.Remedy, "--isolated") {
				t.Errorf("%s: got %s, %v, want a host error with the remedy", c.name, got, err)
			}
		} else if err != nil || got.String() != c.out {
			t.Errorf("%s: got %s, %v; want %s", c.name, got, err, c.out)
		}
	}
}

func TestFreeSubnet(t *testing.T) {
	taken := candidates()[:3]
	got, err := FreeSubnet(taken)
	if err != nil {
		t.Skip("this host uses all candidates: ", err)
	}
	for _, p := range taken {
		if got.Overlaps(p) {
			t.Errorf("%s overlaps with %s, which is taken", got, p)
		}
	}
}

// TestSharedFolder: `ip netns add`, which makes the folder a mount point that is
// shared if it is none, finds that done, and our namespaces are mounted once.
func TestSharedFolder(t *testing.T) {
	const name = "test-shared"
	temporary(t, name)
	if out, err := exec.Command("ip", "netns", "add", "nori-test-other").CombinedOutput(); err != nil {
		t.Fatalf("ip netns add: %v: %s", err, out)
	}
	if out, err := exec.Command("ip", "netns", "delete", "nori-test-other").CombinedOutput(); err != nil {
		t.Errorf("ip netns delete: %v: %s", err, out)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(mounts), " "+Path(name)+" "); n != 1 {
		t.Errorf("%s is mounted %d times", Path(name), n)
	}
	if err := Delete(name); err != nil {
		t.Error(err)
	}
}

// TestHiddenMount deletes a namespace over which somebody mounted the folder: it goes
// as far as it can, and the name can be used again.
func TestHiddenMount(t *testing.T) {
	const name = "test-hidden"
	needRoot(t)
	if os.Getenv("NETNS_TEST_HIDDEN") == "" {
		c := exec.Command("unshare", "--mount", "--propagation", "private", os.Args[0], "-test.run=^TestHiddenMount$")
		c.Env = append(os.Environ(), "NETNS_TEST_HIDDEN=1")
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		os.Remove(Path(name)) // the mounts went with their namespace
		return
	}
	if err := Create(name, "/"+name); err != nil {
		t.Fatal(err)
	}
	// As it was before the folder was shared.
	if err := unix.Mount("", dir, "none", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(dir, dir, "none", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Delete(name); err != nil || Exists(name) {
			t.Errorf("deleted: %v, and it is there: %v", err, Exists(name))
		}
		if err := Create(name, "/"+name); err != nil {
			t.Errorf("the name is taken: %v", err)
		}
	}
}
