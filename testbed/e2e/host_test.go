package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
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
		out[strings.Join(append([]string{name}, args...), " ")] = sorted(strings.Split(strings.TrimSpace(string(o)), "\n"))
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
	out["cgroups"] = sorted(groups)
	out["files"] = sorted(glob(filepath.Join(b.home, "testbeds", "*"), filepath.Join(b.home, "locks", "*"), "/run/netns/nori-*", "/run/nori*"))
	return out
}

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
