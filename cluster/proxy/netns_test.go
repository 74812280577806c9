package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netns"
)

const (
	childMark  = "NORITER_PROXY_TEST_NETNS"
	nodeIP     = "192.168.50.1"
	clientIP   = "192.168.50.2"
	podGateway = "10.244.1.1"
)

// inNamespace runs the test in a process whose network namespace is a node of its own,
// which vanishes with it. It reports whether this is that process.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(childMark) == t.Name() {
		return true
	}
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), childMark+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("in its network namespace: %v\n%s", err, out)
	}
	t.Logf("%s", out)
	return false
}

func run1(t *testing.T, line string) {
	t.Helper()
	if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

// buildNode makes the process's namespace a node with two pods, attached as the CNI
// plugin ptp does it, and a client outside of the cluster. Redirects are off because
// they use up the kernel's quota of ICMP messages per host, and the errors that a
// test waits for would not be sent.
func buildNode(t *testing.T) {
	t.Helper()
	run1(t, `mount --make-rprivate / && mkdir -p /run/netns && mount -t tmpfs netns /run/netns &&
ip link set lo up && sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0
ip netns add client && ip link add out type veth peer name eth0 netns client &&
ip addr add `+nodeIP+`/24 dev out && ip link set out up && ip route add default dev out &&
ip -n client link set lo up && ip -n client addr add `+clientIP+`/24 dev eth0 && ip -n client link set eth0 up &&
ip -n client route add default via `+nodeIP)
	for i, pod := range []string{"pod1", "pod2"} {
		run1(t, fmt.Sprintf(`ip netns add %[1]s && ip link add v%[1]s type veth peer name eth0 netns %[1]s &&
ip addr add %[3]s/32 dev v%[1]s && ip link set v%[1]s up && ip route add 10.244.1.%[2]d/32 dev v%[1]s &&
ip -n %[1]s link set lo up && ip -n %[1]s addr add 10.244.1.%[2]d/32 dev eth0 && ip -n %[1]s link set eth0 up &&
ip -n %[1]s route add %[3]s dev eth0 && ip -n %[1]s route add default via %[3]s`, pod, i+2, podGateway))
		serveIn(t, pod)
	}
}

// in calls f with its thread in the named namespace; "node" is the process's own.
func in(t *testing.T, name string, f func()) {
	t.Helper()
	if name == "node" {
		f()
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	there, err := netns.GetFromName(name)
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	if err := netns.Set(there); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := netns.Set(home); err != nil {
			t.Fatal(err)
		}
	}()
	f()
}

// serveIn answers in a pod: over TCP with "name client-address", then every line
// back; over UDP with its name.
func serveIn(t *testing.T, pod string) {
	t.Helper()
	in(t, pod, func() {
		listener, err := net.Listen("tcp4", ":8080")
		if err != nil {
			t.Fatal(err)
		}
		packets, err := net.ListenPacket("udp4", ":5353")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := errors.Join(listener.Close(), packets.Close()); err != nil {
				t.Error(err)
			}
		})
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				go func() {
					defer conn.Close()
					host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
					fmt.Fprintf(conn, "%s %s\n", pod, host)
					for lines := bufio.NewScanner(conn); lines.Scan(); {
						fmt.Fprintln(conn, lines.Text())
					}
				}()
			}
		}()
		go func() {
			for buffer := make([]byte, 100); ; {
				_, from, err := packets.ReadFrom(buffer)
				if err != nil {
					return
				}
				_, _ = packets.WriteTo([]byte(pod), from)
			}
		}()
	})
}

// ask connects from a namespace and returns who answered and whom it saw.
func ask(t *testing.T, from, address string) (pod, seen string, err error) {
	t.Helper()
	in(t, from, func() {
		var conn net.Conn
		conn, err = net.DialTimeout("tcp4", address, time.Second)
		if err != nil {
			return
		}
		defer conn.Close()
		if err = conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
			return
		}
		var line string
		line, err = bufio.NewReader(conn).ReadString('\n')
		pod, seen, _ = strings.Cut(strings.TrimSpace(line), " ")
	})
	return pod, seen, err
}

// mustAsk asks n times and counts who answered; seen is the last address seen.
func mustAsk(t *testing.T, n int, from, address string) (answers map[string]int, seen string) {
	t.Helper()
	answers = map[string]int{}
	for range n {
		pod, who, err := ask(t, from, address)
		if err != nil {
			t.Errorf("from %s to %s: %v", from, address, err)
			return answers, who
		}
		answers[pod]++
		seen = who
	}
	return answers, seen
}

// refused checks that a connection is refused, and at once.
func refused(t *testing.T, from, address string) {
	t.Helper()
	began := time.Now()
	_, _, err := ask(t, from, address)
	if !errors.Is(err, syscall.ECONNREFUSED) || time.Since(began) > 500*time.Millisecond {
		t.Errorf("from %s to %s: got %v after %s, want to be refused at once", from, address, err, time.Since(began))
	}
}
