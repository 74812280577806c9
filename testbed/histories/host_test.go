package histories

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// hostSight is all of the host that a testbed could change or leave something in.
type hostSight map[string][]string

// lookAtHost looks at the host as it is between two testbeds.
func (w *world) lookAtHost() hostSight {
	out := hostSight{}
	lines := func(what string, args ...string) {
		o, err := run(args...)
		if err != nil {
			o = err.Error()
		}
		out[what] = strings.Split(strings.TrimSpace(o), "\n")
	}
	lines("links", "ip", "-br", "link")
	lines("addresses", "ip", "-br", "address")
	lines("routes", "ip", "route")
	lines("namespaces", "ip", "netns", "list")
	lines("mounts", "findmnt", "-rno", "TARGET,SOURCE,FSTYPE")
	lines("firewall", "nft", "list", "ruleset")
	lines("settings", "sysctl", "net.ipv4.ip_forward", "net.ipv4.conf.all", "net.ipv4.conf.default")
	out["files"] = filesOf("/run/netns/*", "/run/systemd/nspawn/*/*", filepath.Join(w.home, "locks", "*"), filepath.Join(w.home, "testbeds", "*"))
	out["cache"] = w.notes()
	for _, pid := range w.processes() {
		out["processes"] = append(out["processes"], commandLine(pid))
	}
	out["cgroups"] = w.groups()
	return out
}

func filesOf(patterns ...string) (all []string) {
	for _, p := range patterns {
		m, _ := filepath.Glob(p)
		all = append(all, m...)
	}
	return all
}

// notes are the testbed's in the cache. All else there is everybody's: whoever works
// beside makes images and leaves notes meanwhile.
func (w *world) notes() (mine []string) {
	for _, f := range filesOf(filepath.Join(w.cash, "users", "*")) {
		if b, err := os.ReadFile(f); err == nil && strings.Contains(string(b), strconv.Quote(w.home)) {
			mine = append(mine, f)
		}
	}
	return mine
}

// differs says what came or went; of passing states of links only the names count.
func (h hostSight) differs(now hostSight) string {
	var out []string
	for what, was := range h {
		is := now[what]
		for _, l := range is {
			if !slices.Contains(was, l) && l != "" {
				out = append(out, what+": there is now "+l)
			}
		}
		for _, l := range was {
			if !slices.Contains(is, l) && l != "" {
				out = append(out, what+": there is no more "+l)
			}
		}
	}
	for what, is := range now {
		if _, ok := h[what]; !ok && len(is) > 0 {
			out = append(out, fmt.Sprintf("%s: there is now %v", what, is))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// powerOff is what the end of the host's power does to a testbed: all that is not on
// the disk is gone.
func (w *world) powerOff() {
	for range 100 {
		thaw(w.groups())
		pids := w.processes()
		if len(pids) == 0 {
			break
		}
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.removeLocks()
	w.unmountAll()
	for _, g := range w.groups() {
		removeGroups(g)
	}
	for _, path := range []string{"/run/netns/nori-" + name} {
		for unix.Unmount(path, unix.MNT_DETACH) == nil {
		}
		_ = os.Remove(path)
	}
	for _, l := range w.links() {
		_, _ = run("ip", "link", "del", l)
	}
	for _, m := range everyMachine {
		for _, kind := range []string{"propagate", "unix-export"} {
			_ = os.Remove(filepath.Join("/run/systemd/nspawn", kind, w.unit(m)))
		}
	}
}

// removeLocks removes what systemd-nspawn has in /run, which a reboot empties. The
// names tell of mounts that are still there.
func (w *world) removeLocks() {
	for _, m := range everyMachine {
		var st unix.Stat_t
		if unix.Stat(w.file("nspawn", "machines", m, "root"), &st) == nil {
			_ = os.Remove(fmt.Sprintf("/run/systemd/nspawn/locks/inode-%d:%d", st.Dev, st.Ino))
		}
	}
	if !w.bed.beside { // else they may be its own
		for _, f := range filesOf("/run/systemd/nspawn/locks/*") {
			_ = os.Remove(f)
		}
	}
}

// everyMachine are the machines that a history may come to.
var everyMachine = []string{"control", "node1", "node2", "node3", "node4", "node5"}

// links are the testbed's in the host's network.
func (w *world) links() (out []string) {
	text, _ := run("ip", "-br", "link")
	for line := range strings.Lines(text) {
		l, _, _ := strings.Cut(strings.Fields(line)[0], "@")
		if l == "nori-"+name {
			out = append(out, l)
		}
		for _, m := range everyMachine {
			if l == "vb-"+w.unit(m) {
				out = append(out, l)
			}
		}
	}
	return out
}

// unit is what systemd-nspawn calls a machine.
func (w *world) unit(machine string) string {
	return strings.Trim(machine[:min(6, len(machine))], "-") + "-" + w.tag(machine)
}

func (w *world) unmountAll() {
	text, _ := os.ReadFile("/proc/self/mountinfo")
	lines := strings.Split(string(text), "\n")
	slices.Reverse(lines)
	for _, l := range lines {
		f := strings.Fields(l)
		if len(f) < 5 {
			continue
		}
		mine := strings.HasPrefix(f[4], w.folder()+"/")
		for _, m := range everyMachine {
			mine = mine || strings.HasSuffix(f[4], "/"+w.unit(m))
		}
		if mine {
			_ = unix.Unmount(f[4], unix.MNT_DETACH)
		}
	}
}

func removeGroups(dir string) {
	var dirs []string
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	slices.Reverse(dirs)
	for _, d := range dirs {
		for i := range 100 {
			if err := syscall.Rmdir(d); err != syscall.EBUSY || i == 99 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// thaw lets frozen processes go, so that they can be killed.
func thaw(groups []string) {
	for _, g := range groups {
		_ = filepath.WalkDir(g, func(path string, d os.DirEntry, err error) error {
			switch {
			case err != nil:
			case d.Name() == "freezer.state":
				_ = os.WriteFile(path, []byte("THAWED"), 0)
			case d.Name() == "cgroup.freeze":
				_ = os.WriteFile(path, []byte("0"), 0)
			}
			return nil
		})
	}
}

// scrub removes all of the testbed, whatever state it is in.
func (w *world) scrub() {
	for _, undo := range w.undo {
		undo()
	}
	w.undo, w.inTheWay = nil, false
	w.powerOff()
	w.unmountAll()
	_ = os.RemoveAll(w.folder())
	_ = os.RemoveAll(filepath.Join(w.home, "locks", name))
	for _, note := range w.notes() {
		_ = os.Remove(note)
	}
	if w.full {
		_ = os.Remove(w.filler())
		w.full = false
	}
}
