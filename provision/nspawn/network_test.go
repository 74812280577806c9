package nspawn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/netns"
)

// hosts are what people have on their hosts, and what came in the way of machines
// whose bridge was there. The rules were recorded from the programs themselves. Each
// is undone by the next one's first lines.
var hosts = []struct{ name, script string }{
	{"plain", ``},
	{"Docker", `iptables-restore testdata/docker.rules; echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables`},
	{"ufw", `iptables-restore testdata/ufw.rules`},
	{"firewalld", `iptables -F; iptables -X; nft flush ruleset; nft -f testdata/firewalld.nft`},
	{"a table that forwards nothing", `nft flush ruleset; nft 'table inet mine { chain f { type filter hook forward priority -300; policy drop; }
		chain i { type filter hook input priority 0; policy drop; ct state established,related accept; iif lo accept; }; }'`},
	{"a VPN that takes all", `nft flush ruleset; ip link add vpn0 type bridge; ip link set vpn0 up; ip addr add 172.27.232.2/24 dev vpn0
		ip route add 0.0.0.0/1 via 172.27.232.1; ip route add 128.0.0.0/1 via 172.27.232.1`},
	{"a VPN to 10.0.0.0/8", `ip route add 10.0.0.0/8 via 172.27.232.1`},
	{"a hardened one", `for d in all default; do
		echo 1 > /proc/sys/net/ipv4/conf/$d/rp_filter; echo 2 > /proc/sys/net/ipv4/conf/$d/arp_ignore; echo 2 > /proc/sys/net/ipv4/conf/$d/arp_announce
		echo 0 > /proc/sys/net/ipv4/conf/$d/forwarding; done`},
	{"without IPv6", `echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6`},
	{"its link gone", `ip link delete $NET`},
	{"its route gone", `ip route flush 10.77.0.0/24`},
}

// TestHosts has two machines on hosts of all kinds: the host reaches them, they reach
// each other, and neither calls out.
func TestHosts(t *testing.T) {
	b := newBedWith(t, Options{}, "node1", "node2")
	ctx := t.Context()
	b.up(ctx, "node1", "node2")
	for _, h := range hosts {
		t.Run(h.name, func(t *testing.T) {
			hostScript(t, h.script)
			// A rule may also come first: all that can be made anew is.
			if err := b.inside(func() error { return removeLink(outside) }); err != nil {
				t.Fatal(err)
			}
			b.up(ctx, "node1", "node2")
			b.dial(ctx, "node2") // so that somebody listens there
			c := b.dial(ctx, "node1")
			b.run(ctx, c, "echo | timeout 5 bash -c 'cat > /dev/tcp/10.77.0.12/22'")
			if from := b.run(ctx, c, "echo $SSH_CLIENT"); !strings.HasPrefix(from, "10.77.0.1 ") {
				t.Errorf("the host calls from %q, want the machines' gateway 10.77.0.1", from)
			}
			out := listen(t, "10.77.0.1:0")
			_, port, err := net.SplitHostPort(out)
			if err != nil {
				t.Fatal(err)
			}
			b.run(ctx, c, "! echo | timeout 1 bash -c 'cat > /dev/tcp/10.77.0.1/"+port+"'")
		})
	}
}

// hostScript runs a script in the namespace that stands for the host.
// hostScript runs a script for which $NET is how the testbed calls its network.
func hostScript(t *testing.T, script string) {
	t.Helper()
	cmd := exec.Command("sh", "-ec", script)
	cmd.Env = append(os.Environ(), "NET="+BridgeName(bedName, ""))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// listen takes all connections to an address of the host.
func listen(t *testing.T, addr string) string {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

// TestNetworkOfOthers meets cards, bridges and namespaces of the testbed's names that
// are not the testbed's. They are left as they are.
func TestNetworkOfOthers(t *testing.T) {
	for name, c := range map[string]struct{ make, still, undo string }{
		"a bridge":               {"ip link add $NET type bridge", "ip link show $NET type bridge", "ip link delete $NET"},
		"a pair of cards":        {"ip link add $NET type veth peer name other", "ip link show other", "ip link delete other"},
		"one of another testbed": {"ip link add $NET type bridge; ip link set $NET alias noriter:/other", "ip link show $NET", "ip link delete $NET"},
		"a namespace":            {"ip netns add $NET", "ip netns exec $NET true", "ip netns delete $NET"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBedWith(t, Options{}, "node1")
			hostScript(t, c.make)
			defer hostScript(t, c.undo)
			err := b.Prepare(t.Context())
			var lacks *machine.HostError
			if !errors.As(err, &lacks) || !strings.Contains(lacks.Remedy, "--name") {
				t.Errorf("%v, want an error that the host has it, and what to type", err)
			}
			if err := b.Remove(t.Context()); err != nil {
				t.Error(err)
			}
			hostScript(t, c.still)
		})
	}
}

// TestRuleBeforeRoutes has a VPN whose rule goes before all routes: it is said, since
// machines could not be reached.
func TestRuleBeforeRoutes(t *testing.T) {
	b := newBedWith(t, Options{}, "node1")
	hostScript(t, "ip link add vpn1 type bridge; ip link set vpn1 up; ip route add 10.0.0.0/8 dev vpn1 table 220; ip rule add pref 220 lookup 220")
	defer hostScript(t, "ip rule del pref 220; ip link delete vpn1")
	err := b.Prepare(t.Context())
	var lacks *machine.HostError
	if !errors.As(err, &lacks) || !strings.Contains(lacks.What, "vpn1") || !strings.Contains(lacks.Remedy, "--isolated") {
		t.Errorf("%v, want the card of the VPN, and the way out", err)
	}
}

// TestPlugged takes bridge, card and namespace away from a machine that runs: Prepare
// gives it back what it needs, and it runs on.
func TestPlugged(t *testing.T) {
	for _, opts := range []Options{{Isolated: true}, {}} {
		t.Run(fmt.Sprintf("isolated %v", opts.Isolated), func(t *testing.T) { testPlugged(t, opts) })
	}
}

func testPlugged(t *testing.T, opts Options) {
	if opts.Isolated {
		t.Cleanup(func() { // whose the namespace is; after the machines are gone
			if err := netns.Delete(bedName); err != nil {
				t.Error(err)
			}
		})
	}
	b := newBedWith(t, opts, "node1")
	ctx := t.Context()
	b.up(ctx, "node1")
	boot := b.bootID(ctx, opts)
	m := b.machine("node1")
	for name, f := range map[string]func() error{
		"the bridge":           func() error { return b.inside(func() error { return removeLink(b.bridge()) }) },
		"its card":             func() error { return b.inside(func() error { return removeLink(m.card()) }) },
		"the namespace's file": func() error { return netns.Delete(b.tb.Name) },
	} {
		if err := f(); err != nil {
			t.Fatal(name, err)
		}
		b.up(ctx, "node1")
		if now := b.bootID(ctx, opts); now != boot {
			t.Errorf("without %s: the machine was booted anew", name)
		}
	}
}

// bootID asks the machine by SSH which boot this is; that of an isolated testbed is
// reached from within its namespace alone.
func (b *bed) bootID(ctx context.Context, opts Options) string {
	b.t.Helper()
	if !opts.Isolated {
		return b.run(ctx, b.dial(ctx, "node1"), "cat /proc/sys/kernel/random/boot_id")
	}
	deadline := time.Now().Add(time.Minute)
	for err := error(nil); ; time.Sleep(50 * time.Millisecond) {
		err = b.inside(func() error {
			conn, err := net.DialTimeout("tcp", "10.77.0.11:22", time.Second)
			if err == nil {
				_ = conn.Close()
			}
			return err
		})
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			b.t.Fatal(err)
		}
	}
	init, err := b.machine("node1").init()
	if err != nil || init == 0 {
		b.t.Fatal("the machine is off: ", err)
	}
	stat, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", init))
	if err != nil {
		b.t.Fatal(err)
	}
	return stat
}

// TestTakeOver has a testbed of an older version: its bridge is on the host, and its
// machine hangs on that.
func TestTakeOver(t *testing.T) {
	b := newBedWith(t, Options{}, "node1")
	ctx := t.Context()
	b.up(ctx, "node1")
	mac, err := b.hardwareAddr("bridge")
	if err != nil {
		t.Fatal(err)
	}
	hostScript(t, "ip link delete $NET; ip link add $NET type bridge; ip link set $NET address "+mac.String()+" up; ip addr add 10.77.0.1/24 dev $NET")
	m := b.machine("node1")
	hostScript(t, "ip -n $NET link set "+m.card()+" netns $$; ip link set "+m.card()+" master $NET up")
	if err := netns.Delete(bedName); err != nil {
		t.Fatal(err)
	}
	b.up(ctx, "node1")
	b.run(ctx, b.dial(ctx, "node1"), "true")
	link, err := netlink.LinkByName(b.bridge())
	if err != nil || link.Type() != "veth" {
		t.Errorf("the host's card is %v, %v; want the link to the namespace", link, err)
	}
}
