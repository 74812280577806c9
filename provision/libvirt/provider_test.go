package libvirt

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"noriter.dev/noriter/provision/machine"
)

// playground is a fake host with a testbed on it.
type playground struct {
	*fakeHost
	tb  machine.Testbed
	img Image
}

func newPlayground(t *testing.T) *playground {
	dir := t.TempDir()
	g := &playground{fakeHost: newFakeHost(t)}
	g.tb = machine.Testbed{
		Name: "demo", Dir: dir, Subnet: netip.MustParsePrefix("10.77.0.0/24"), AuthorizedKey: "ssh-ed25519 AAAA nori",
		HostKeys: map[string][]byte{"control": []byte("key of control"), "node1": []byte("key of node1"), "node2": []byte("key of node2")},
	}
	files := t.TempDir()
	for name, to := range map[string]*string{"disk": &g.img.Disk, "kernel": &g.img.Kernel, "initrd": &g.img.Initrd} {
		*to = filepath.Join(files, name)
		if err := os.WriteFile(*to, []byte(strings.Repeat(name, 100)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// nori is a new process's provider: it knows only what host and disk hold.
func (g *playground) nori(t *testing.T) *Provider {
	t.Helper()
	p, err := New(g.tb, g.img, Options{Connect: "qemu+unix:///system?socket=" + g.socket, virt: "qemu"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

var specs = []machine.Spec{
	{Name: "control", Address: netip.MustParseAddr("10.77.0.10"), MemoryMiB: 1536},
	{Name: "node1", Address: netip.MustParseAddr("10.77.0.11")},
}

// up is what the layer above does.
func up(ctx context.Context, p *Provider) error {
	if err := p.Prepare(ctx); err != nil {
		return err
	}
	for _, s := range specs {
		if err := p.Ensure(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantUp checks that all machines run, each with one disk and one lease.
func (g *playground) wantUp(t *testing.T) {
	t.Helper()
	infos, err := g.nori(t).List(t.Context())
	must(t, err)
	if len(infos) != 2 || infos[0].Name != "control" || infos[1].Name != "node1" {
		t.Fatalf("List = %+v", infos)
	}
	for i, in := range infos {
		if in.State != machine.Running || in.Address != specs[i].Address {
			t.Errorf("%s is %s at %s", in.Name, in.State, in.Address)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	n := g.networks["nori-demo"]
	if n == nil || !n.active || len(n.x.IPs) != 1 || n.x.IPs[0].DHCP == nil || len(n.x.IPs[0].DHCP.Hosts) != 2 {
		t.Errorf("network is %+v", n)
	}
	for _, v := range []string{"control.qcow2", "node1.qcow2"} {
		if g.pools["nori-demo"].volumes[v] == nil {
			t.Errorf("volume %s is missing", v)
		}
	}
	for name := range map[string]bool{"control": true, "node1": true} {
		v := g.pools["nori-demo"].volumes[hostKeyName(name)]
		if v == nil || string(v.content) != "key of "+name || !strings.Contains(v.xml, "<mode>0600</mode>") {
			t.Errorf("the host key of %s is kept as %+v", name, v)
		}
	}
}

func TestUpIsIdempotent(t *testing.T) {
	g := newPlayground(t)
	for range 3 {
		must(t, up(t.Context(), g.nori(t)))
		g.wantUp(t)
	}
}

// At whatever call nori is killed, the next one takes it from there: up comes
// up, and down leaves only the images for the next testbed.
func TestKilledAtAnyCall(t *testing.T) {
	total := func() int {
		g := newPlayground(t)
		must(t, up(t.Context(), g.nori(t)))
		return g.calls
	}()
	for at := 1; at <= total; at++ {
		g := newPlayground(t)
		g.dropAt = at
		if err := up(t.Context(), g.nori(t)); err == nil {
			t.Fatalf("call %d of %d: nobody noticed", at, total)
		}
		if at%2 == 0 { // half of them go down from there
			must(t, g.nori(t).Remove(t.Context()))
			g.wantGone(t)
			continue
		}
		must(t, up(t.Context(), g.nori(t)))
		g.wantUp(t)
	}
}

func (g *playground) wantGone(t *testing.T) {
	t.Helper()
	if left := g.all(); strings.Contains(left, "demo") {
		t.Errorf("left: %s", left)
	}
	if left, _ := os.ReadDir(g.tb.Dir); len(left) > 0 {
		t.Errorf("left in the folder: %v", left)
	}
}

func TestDownKilledAtAnyCall(t *testing.T) {
	for at := 1; ; at++ {
		g := newPlayground(t)
		must(t, up(t.Context(), g.nori(t)))
		must(t, g.nori(t).Save(t.Context(), "base"))
		g.mu.Lock()
		g.calls, g.dropAt = 0, at
		g.mu.Unlock()
		err := g.nori(t).Remove(t.Context())
		g.mu.Lock()
		done := g.calls < at
		g.mu.Unlock()
		if done {
			must(t, err)
			g.wantGone(t)
			return
		}
		must(t, g.nori(t).Remove(t.Context()))
		g.wantGone(t)
		must(t, g.nori(t).Remove(t.Context()))
	}
}

func TestEnsureRepairs(t *testing.T) {
	for name, state := range map[string]golibvirt.DomainState{
		"stopped": golibvirt.DomainShutoff, "crashed": golibvirt.DomainCrashed, "paused": golibvirt.DomainPaused,
	} {
		t.Run(name, func(t *testing.T) {
			g := newPlayground(t)
			must(t, up(t.Context(), g.nori(t)))
			disk := g.pools["nori-demo"].volumes["control.qcow2"]
			g.domains["nori-demo-control"].state = state
			must(t, g.nori(t).Ensure(t.Context(), specs[0]))
			g.wantUp(t)
			if g.pools["nori-demo"].volumes["control.qcow2"] != disk {
				t.Error("the machine lost its disk")
			}
		})
	}
}

// A disk without a machine is what an interrupted removal left: a new machine
// must not boot from it.
func TestNewMachineHasNewDisk(t *testing.T) {
	g := newPlayground(t)
	must(t, up(t.Context(), g.nori(t)))
	old := g.pools["nori-demo"].volumes["control.qcow2"]
	delete(g.domains, "nori-demo-control")
	must(t, up(t.Context(), g.nori(t)))
	if g.pools["nori-demo"].volumes["control.qcow2"] == old {
		t.Error("the new machine has the old disk")
	}
}

func TestOthersThingsAreLeftAlone(t *testing.T) {
	for name, set := range map[string]func(g *playground){
		"domain": func(g *playground) {
			g.domains["nori-demo-control"] = &fakeDomain{xml: "<domain><name>nori-demo-control</name></domain>", state: golibvirt.DomainRunning}
		},
		"domain of another's testbed": func(g *playground) {
			md, _ := mark{Name: "demo", Dir: "/home/other/demo"}.xml()
			g.domains["nori-demo-control"] = &fakeDomain{xml: "<domain><name>nori-demo-control</name><metadata>" + md + "</metadata></domain>", state: golibvirt.DomainRunning}
		},
		"network": func(g *playground) {
			n := &fakeNetwork{}
			n.x.Name = "nori-demo"
			g.networks["nori-demo"] = n
		},
		"network and pool of another's testbed": func(g *playground) {
			n := &fakeNetwork{}
			n.x.Name = "nori-demo"
			n.x.Metadata = &libvirtxml.NetworkMetadata{}
			n.x.Metadata.XML, _ = mark{Name: "demo", Dir: "/home/other/demo"}.xml()
			g.networks["nori-demo"] = n
			text, _ := poolXML("nori-demo", g.nori(t).poolPath())
			g.pools["nori-demo"] = &fakePool{xml: text, active: true, built: true, volumes: map[string]*fakeVolume{"precious": {}}}
		},
		"pool": func(g *playground) {
			text, _ := poolXML("nori-demo", "/srv/other")
			g.pools["nori-demo"] = &fakePool{xml: text, active: true, built: true, volumes: map[string]*fakeVolume{"precious": {}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newPlayground(t)
			set(g)
			err := up(t.Context(), g.nori(t))
			if err == nil || !strings.Contains(err.Error(), "nori-demo") {
				t.Fatalf("up over another's: %v", err)
			}
			must(t, g.nori(t).Remove(t.Context()))
			if left := g.all(); !strings.Contains(left, "demo") {
				t.Errorf("removed another's; left is %q", left)
			}
			if strings.Contains(name, "pool") && (g.pools["nori-demo"] == nil || g.pools["nori-demo"].volumes["precious"] == nil) {
				t.Errorf("removed another's volume; left is %q", g.all())
			}
		})
	}
}

func TestRemoveMachine(t *testing.T) {
	g := newPlayground(t)
	p := g.nori(t)
	must(t, up(t.Context(), p))
	must(t, p.Save(t.Context(), "base"))
	for range 2 {
		must(t, p.RemoveMachine(t.Context(), "node1"))
	}
	infos, err := p.List(t.Context())
	must(t, err)
	if len(infos) != 1 || g.pools["nori-demo"].volumes["node1.qcow2"] != nil || len(g.networks["nori-demo"].x.IPs[0].DHCP.Hosts) != 1 {
		t.Errorf("left of node1: %+v, %s", infos, g.all())
	}
	snaps, err := p.Snapshots(t.Context())
	must(t, err)
	if len(snaps) != 1 || !slices.Equal(snaps[0].Machines, []string{"control"}) {
		t.Errorf("snapshots are %+v; want one, of the machine that is left", snaps)
	}
	must(t, p.Restore(t.Context(), "base"))
	must(t, p.RemoveMachine(t.Context(), "control"))
	if snaps, _ := p.Snapshots(t.Context()); len(snaps) != 0 {
		t.Errorf("a snapshot of no machine is still there: %+v", snaps)
	}
}

func TestUploadIsOnceAndWhole(t *testing.T) {
	g := newPlayground(t)
	must(t, g.nori(t).Prepare(t.Context()))
	cache := g.pools[cachePool]
	if len(cache.volumes) != 6 {
		t.Fatalf("cache holds %d volumes, want three files and three marks", len(cache.volumes))
	}
	var disk *fakeVolume
	for n, v := range cache.volumes {
		if strings.HasPrefix(n, "disk-") && !strings.HasSuffix(n, ".whole") {
			disk = v
		}
	}
	if string(disk.content) != strings.Repeat("disk", 100) {
		t.Errorf("the disk arrived as %q", disk.content)
	}
	must(t, g.nori(t).Prepare(t.Context()))
	if !slices.ContainsFunc(values(cache.volumes), func(v *fakeVolume) bool { return v == disk }) {
		t.Error("the disk was sent twice")
	}
	disk.content = disk.content[:10] // cut short, whatever the mark says
	must(t, g.nori(t).Prepare(t.Context()))
	if slices.ContainsFunc(values(cache.volumes), func(v *fakeVolume) bool { return v == disk }) {
		t.Error("half a disk was used")
	}
}

func values[K comparable, V any](m map[K]V) []V {
	var out []V
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

func TestCallThatHangsEndsWithItsContext(t *testing.T) {
	g := newPlayground(t)
	p := g.nori(t)
	must(t, p.Prepare(t.Context()))
	g.mu.Lock()
	g.hang[procCreate] = true
	g.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := p.Ensure(ctx, specs[0])
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "starting nori-demo-control") {
		t.Errorf("Ensure = %v, want a timeout that says what it waited for", err)
	}
	g.mu.Lock()
	g.hang[procCreate] = false
	g.mu.Unlock()
	must(t, p.Ensure(t.Context(), specs[0])) // on a new connection
}

// libvirt does not look into a pool's folder while it fills a volume of another machine.
func TestBusyPoolIsWaitedFor(t *testing.T) {
	g := newPlayground(t)
	p := g.nori(t)
	must(t, p.Prepare(t.Context()))
	g.mu.Lock()
	g.busy = 3
	g.mu.Unlock()
	must(t, p.Ensure(t.Context(), specs[0]))
	if g.busy != 0 {
		t.Errorf("the pool was not asked until it was free: %d", g.busy)
	}
	// So it may be when a nori was interrupted, and the testbed is to go.
	g.mu.Lock()
	g.busy = 3
	g.mu.Unlock()
	must(t, g.nori(t).Remove(t.Context()))
	if g.pools["nori-demo"] != nil || g.busy != 0 {
		t.Errorf("the testbed's pool is left, or was not asked until it was free: %d", g.busy)
	}
}

func TestHostErrors(t *testing.T) {
	g := newPlayground(t)
	wantHost := func(name string, err error, remedy string) {
		t.Helper()
		var he *machine.HostError
		if !errors.As(err, &he) || !strings.Contains(he.Remedy, remedy) {
			t.Errorf("%s: %v, want a HostError with remedy %q", name, err, remedy)
		}
	}
	missing, err := New(g.tb, g.img, Options{Connect: "qemu+unix:///system?socket=" + g.socket + "x"})
	must(t, err)
	wantHost("no socket", missing.Prepare(t.Context()), "apt-get install libvirt-daemon-system")
	g.fail[procAuth] = golibvirt.Error{Code: uint32(golibvirt.ErrAuthFailed), Message: "authentication unavailable: no polkit agent available"}
	wantHost("forbidden", g.nori(t).Prepare(t.Context()), "libvirt")
	delete(g.fail, procAuth)
	g.fail[procNetCreate] = golibvirt.Error{Code: 1, Message: "Cannot find 'dnsmasq' in path: No such file or directory"}
	wantHost("no dnsmasq", g.nori(t).Prepare(t.Context()), "dnsmasq-base")
	g.fail[procNetCreate] = golibvirt.Error{Code: 1, Message: "internal error: Network is already in use by interface eth0"}
	wantHost("subnet taken", g.nori(t).Prepare(t.Context()), "doctor")
}

// watched is a provider that sees whether the fake network has a DHCP server.
func (g *playground) watched(t *testing.T) *Provider {
	p := g.nori(t)
	p.opts.servingLimit = time.Millisecond
	p.opts.listens = func(bridge string) (bool, bool) {
		g.mu.Lock()
		defer g.mu.Unlock()
		n := g.networks["nori-demo"]
		return n != nil && n.served && bridge == "nori-demo", true
	}
	return p
}

// libvirt calls a network active whose dnsmasq has died: no machine gets an address.
func TestDeadDHCPServerIsBroughtBack(t *testing.T) {
	for name, c := range map[string]struct {
		stuck, running bool
		starts         int
		fails          bool
	}{
		"libvirt starts another":         {false, true, 1, false},
		"the network is restarted":       {true, false, 2, false},
		"but not under running machines": {true, true, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := newPlayground(t)
			must(t, up(t.Context(), g.watched(t)))
			if !c.running {
				for _, s := range specs {
					must(t, g.nori(t).Stop(t.Context(), s.Name))
				}
			}
			g.mu.Lock()
			n := g.networks["nori-demo"]
			n.served, n.stuck = false, c.stuck
			g.mu.Unlock()

			infos, err := g.watched(t).List(t.Context())
			must(t, err)
			if got := infos[1].Fault; (got != "") != c.running || c.running && !strings.Contains(got, "no DHCP server") {
				t.Errorf("node1 is %+v", infos[1])
			}
			err = g.watched(t).Prepare(t.Context())
			var host *machine.HostError
			if c.fails != errors.As(err, &host) || !c.fails && err != nil {
				t.Fatalf("Prepare = %v", err)
			}
			if n.served == c.fails || n.starts != c.starts || len(n.x.IPs[0].DHCP.Hosts) != 2 {
				t.Errorf("served %v, started %d times, leases %+v", n.served, n.starts, n.x.IPs[0].DHCP.Hosts)
			}
		})
	}
}

// A libvirt that is elsewhere can't be looked into, and is believed.
func TestDHCPServerElsewhereIsBelieved(t *testing.T) {
	g := newPlayground(t)
	must(t, up(t.Context(), g.nori(t)))
	g.networks["nori-demo"].served = false
	must(t, up(t.Context(), g.nori(t)))
	if n := g.networks["nori-demo"]; n.served || n.starts != 1 {
		t.Errorf("the network was touched: %+v", n)
	}
}

// Leases of machines do not run out; those that an older version made are changed.
func TestLeasesDoNotRunOut(t *testing.T) {
	g := newPlayground(t)
	must(t, up(t.Context(), g.nori(t)))
	leases := func() []libvirtxml.NetworkDHCPHost { return g.networks["nori-demo"].x.IPs[0].DHCP.Hosts }
	leases()[0].Lease = nil
	must(t, up(t.Context(), g.nori(t)))
	if len(leases()) != 2 {
		t.Errorf("leases are %+v", leases())
	}
	for _, h := range leases() {
		if h.Lease == nil || h.Lease.Expiry != 0 {
			t.Errorf("the lease of %s is %+v", h.Name, h.Lease)
		}
	}
}

// TestStates: what is switched on and stands still is neither running nor off, and it is
// said why.
func TestStates(t *testing.T) {
	g := newPlayground(t)
	must(t, up(t.Context(), g.nori(t)))
	for _, c := range []struct {
		state  golibvirt.DomainState
		reason int32
		want   machine.State
		detail string
	}{
		{golibvirt.DomainPaused, int32(golibvirt.DomainPausedUser), machine.Paused, "it was paused"},
		{golibvirt.DomainPaused, int32(golibvirt.DomainPausedIoerror), machine.Paused, "disk may be full"},
		{golibvirt.DomainShutoff, int32(golibvirt.DomainShutoffCrashed), machine.Stopped, "its QEMU ended"},
		{golibvirt.DomainShutoff, int32(golibvirt.DomainShutoffDestroyed), machine.Stopped, "switched off"},
		{golibvirt.DomainRunning, 1, machine.Running, "domain nori-demo-control"},
	} {
		d := g.domains["nori-demo-control"]
		d.state, d.reason = c.state, c.reason
		infos, err := g.nori(t).List(t.Context())
		must(t, err)
		if infos[0].State != c.want || !strings.Contains(infos[0].Detail, c.detail) {
			t.Errorf("%+v: got %+v", c, infos[0])
		}
	}
}
