package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"
)

func contextFor(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}

// hostState is everything a testbed could leave behind on the host.
func hostState(t *testing.T, b *bed) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	lines := func(name string, args ...string) {
		o, err := exec.Command(name, args...).Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[strings.Join(append([]string{name}, args...), " ")] = sorted(b.without(strings.Split(strings.TrimSpace(string(o)), "\n")))
	}
	lines("ip", "-o", "link")
	lines("ip", "netns", "list")
	lines("findmnt", "-rno", "TARGET,SOURCE")
	lines("nft", "list", "tables")
	var processes []string
	for _, p := range glob("/proc/[0-9]*") {
		cmd, err := os.ReadFile(filepath.Join(p, "cmdline"))
		if err != nil {
			continue
		}
		in, err := os.ReadFile(filepath.Join(p, "cgroup"))
		if err != nil || slices.ContainsFunc(strings.Split(string(in), "\n"), b.anothers) {
			continue // it went, or is a machine's of another testbed
		}
		line := strings.ReplaceAll(string(cmd), "\x00", " ")
		for _, w := range []string{"systemd-nspawn", "nori-node", "nori-control", "containerd-shim", "qemu-system", "libvirtd", "dnsmasq", b.home} {
			if strings.Contains(line, w) {
				processes = append(processes, line)
				break
			}
		}
	}
	out["processes"] = sorted(processes)
	var groups []string
	for _, pattern := range []string{"/sys/fs/cgroup/*/*nori*", "/sys/fs/cgroup/*nori*", "/sys/fs/cgroup/*/*/*nori*", "/sys/fs/cgroup/*/noriter/*"} {
		groups = append(groups, glob(pattern)...)
	}
	out["cgroups"] = sorted(b.without(groups))
	out["files"] = sorted(b.without(glob(filepath.Join(b.home, "testbeds", "*"), filepath.Join(b.home, "locks", "*"), "/run/netns/nori-*", "/run/nori*")))
	return out
}

// ofTestbed is how a line tells whose it is: by a home with its testbeds, a network
// namespace, or a cgroup.
var ofTestbed = regexp.MustCompile(`(\S*)/testbeds/|\bnori-([a-z0-9-]+)|/noriter/([a-z0-9-]+)-[0-9a-f]{5}\b`)

// anothers says that a line is of another person's testbed: these come and go meanwhile.
// Of a long name a bridge has only the beginning.
func (b *bed) anothers(line string) bool {
	m := ofTestbed.FindStringSubmatch(line)
	return m != nil && m[1] != b.home && m[3] != b.name && (m[2] == "" || !strings.HasPrefix(m[2], b.name[:min(4, len(b.name))]))
}

func (b *bed) without(lines []string) []string { return slices.DeleteFunc(lines, b.anothers) }

func compareHost(t *testing.T, before, after map[string][]string) {
	t.Helper()
	for what, was := range before {
		is := after[what]
		for _, l := range is {
			if !contains(was, l) {
				t.Errorf("%s: left behind: %s", what, l)
			}
		}
		for _, l := range was {
			if !contains(is, l) && what != "processes" {
				t.Errorf("%s: taken away: %s", what, l)
			}
		}
	}
}

func contains(list []string, s string) bool {
	i := sort.SearchStrings(list, s)
	return i < len(list) && list[i] == s
}

func sorted(l []string) []string { sort.Strings(l); return l }

func glob(patterns ...string) []string {
	var all []string
	for _, p := range patterns {
		m, _ := filepath.Glob(p)
		all = append(all, m...)
	}
	return all
}

// TestAnothers: what other people's testbeds have on the host is not counted, and what a
// testbed under test leaves behind is.
func TestAnothers(t *testing.T) {
	b := &bed{name: "cheatsheets", home: "/tmp/home"}
	for line, want := range map[string]bool{
		"/tmp/home/testbeds/cheatsheets/nspawn/machines/node1/root overlay": false,
		"/tmp/other/testbeds/hist/nspawn/machines/node1/root overlay":       true,
		"/run/netns/nori-cheatsheets nsfs":                                  false,
		"/run/netns/nori-hist nsfs":                                         true,
		"3: nori-chea-1a2b3: <BROADCAST,MULTICAST,UP>":                      false,
		"/sys/fs/cgroup/pids/noriter/cheatsheets-47ac5":                     false,
		"/sys/fs/cgroup/pids/noriter/hist-47ac5":                            true,
		"4:pids:/noriter/hist-47ac5/node1/system.slice/nori-agent.service":  true,
		"2: eth0: <BROADCAST,MULTICAST,UP>":                                 false,
		"/run/lock none":                                                    false,
	} {
		if got := b.anothers(line); got != want {
			t.Errorf("%s is another's: %v, want %v", line, got, want)
		}
	}
}
