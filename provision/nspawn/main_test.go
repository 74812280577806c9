package nspawn

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/crypto/ssh"

	"noriter.dev/noriter/internal/mountinfo"
	"noriter.dev/noriter/provision/image"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/netns"
	"noriter.dev/noriter/provision/remote"
)

// insideEnv tells the test program that it is the one inside the namespace.
const insideEnv = "NSPAWN_TEST_INSIDE"

// TestMain runs all tests in a network namespace made for them, so that no
// bridge and no packet of theirs touches the host's network.
func TestMain(m *testing.M) {
	if os.Geteuid() != 0 || os.Getenv(insideEnv) != "" {
		os.Exit(m.Run())
	}
	name := fmt.Sprintf("test-nspawn-%d", os.Getpid())
	code, err := runInside(name)
	if derr := netns.Delete(name); err == nil {
		err = derr
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runInside(name string) (int, error) {
	if err := netns.Create(name, "/"+name); err != nil {
		return 1, err
	}
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideEnv+"="+name)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := netns.Do(name, cmd.Start); err != nil {
		return 1, err
	}
	_ = cmd.Wait() // the exit code says all
	return cmd.ProcessState.ExitCode(), nil
}

// bed is a testbed for tests.
type bed struct {
	*Provider
	t     *testing.T
	key   remote.KeyPair
	hosts map[string]remote.KeyPair
	// diskGiB is the size of its machines' disks.
	diskGiB int
}

// bedName is the name of a testbed for tests, which no other run of them has.
var bedName = fmt.Sprintf("t%d", os.Getpid())

// newBed makes a provider on the cached image, and checks at the end of the
// test that nothing of it is left.
func newBed(t *testing.T, names ...string) *bed {
	t.Helper()
	return newBedWith(t, Options{}, names...)
}

// newBedOfDisk makes one whose machines have disks of their own.
func newBedOfDisk(t *testing.T, gib int, names ...string) *bed {
	t.Helper()
	b := newBed(t, names...)
	b.diskGiB = gib
	return b
}

func newBedWith(t *testing.T, opts Options, names ...string) *bed {
	t.Helper()
	lacks := t.Skip
	if os.Getenv("CI") == "true" {
		lacks = t.Fatal
	}
	if os.Geteuid() != 0 {
		lacks("needs root")
	}
	img, ok := image.Find(image.DefaultCacheDir)
	if !ok {
		lacks("needs the node image in " + image.DefaultCacheDir)
	}
	key, err := remote.NewKeyPair("test")
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{t: t, key: key, hosts: map[string]remote.KeyPair{}}
	keys := map[string][]byte{}
	for _, n := range names {
		if b.hosts[n], err = remote.NewKeyPair(n); err != nil {
			t.Fatal(err)
		}
		keys[n] = b.hosts[n].Private
	}
	dir, err := os.MkdirTemp("/var/tmp", "nspawn-test-")
	if err != nil {
		t.Fatal(err)
	}
	b.Provider = New(machine.Testbed{
		Name: bedName, Dir: dir, Subnet: netip.MustParsePrefix("10.77.0.0/24"),
		AuthorizedKey: key.Public, HostKeys: keys,
	}, img.Root, opts)
	t.Cleanup(func() {
		traces := b.traces(names)
		if err := b.Remove(context.Background()); err != nil {
			t.Error(err)
		}
		if err := os.Remove(dir); err != nil {
			t.Error("files are left: ", err)
		}
		b.nothingLeft(dir, traces)
	})
	return b
}

func (b *bed) spec(name string) machine.Spec {
	last := map[string]byte{"control": 10, "node1": 11, "node2": 12}[name]
	limit := map[string]int{"control": 1}[name]
	return machine.Spec{Name: name, Address: netip.AddrFrom4([4]byte{10, 77, 0, last}), MemoryMiB: 1024, CPUs: limit, DiskGiB: b.diskGiB}
}

func (b *bed) up(ctx context.Context, names ...string) {
	b.t.Helper()
	if err := b.Prepare(ctx); err != nil {
		b.t.Fatal(err)
	}
	if err := each(names, func(n string) error { return b.Ensure(ctx, b.spec(n)) }); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) dial(ctx context.Context, name string) *remote.Client {
	b.t.Helper()
	signer, err := ssh.ParsePrivateKey(b.key.Private)
	if err != nil {
		b.t.Fatal(err)
	}
	host, err := ssh.ParsePrivateKey(b.hosts[name].Private)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	c, err := remote.Dial(ctx, remote.Target{Name: name, Address: b.spec(name).Address, Signer: signer, HostKey: host.PublicKey()})
	if err != nil {
		console, _ := os.ReadFile(b.machine(name).console())
		b.t.Fatalf("%v\n%s", err, console)
	}
	b.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (b *bed) run(ctx context.Context, c *remote.Client, line string) string {
	b.t.Helper()
	res, err := c.Run(ctx, machine.Command{Line: line})
	if err != nil {
		b.t.Fatal(err)
	}
	return string(res.Stdout)
}

// traces names the files outside of the testbed's folder that machines have.
func (b *bed) traces(names []string) []string {
	b.t.Helper()
	trees, err := hierarchies()
	if err != nil {
		b.t.Fatal(err)
	}
	var list []string
	for _, h := range trees {
		list = append(list, group{path: b.groupPath()}.dir(h))
	}
	for _, name := range names {
		m := b.machine(name)
		list = append(list, "/run/systemd/nspawn/propagate/"+m.unit(), "/run/systemd/nspawn/unix-export/"+m.unit())
		if l := m.lockFile(); l != "" {
			list = append(list, l)
		}
	}
	return list
}

// nothingLeft looks for all that a removed testbed must not leave behind.
func (b *bed) nothingLeft(dir string, traces []string) {
	b.t.Helper()
	for _, f := range traces {
		if _, err := os.Lstat(f); err == nil {
			b.t.Errorf("left behind: %s", f)
		}
	}
	mounts, err := mountinfo.Under("/")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, m := range mounts {
		if strings.HasPrefix(m, dir) || slices.Contains(traces, m) {
			b.t.Errorf("left mounted: %s", m)
		}
	}
	// The namespace is the tests' own: it has a loopback and what was made here.
	links, err := netlink.LinkList()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, l := range links {
		if n := l.Attrs().Name; strings.HasPrefix(n, "nori-") || strings.HasPrefix(n, "vb-") {
			b.t.Errorf("left behind: network card %s", n)
		}
	}
	procs, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, p := range procs {
		if line, err := os.ReadFile(p); err == nil && strings.Contains(string(line), dir) {
			b.t.Errorf("left running: %s %q", p, line)
		}
	}
}
