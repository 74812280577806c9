package nspawn

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/mountinfo"
	"noriter.dev/noriter/provision/machine"
)

// Leftovers lists what container machines have on this host, with or without the
// files of their testbeds: processes by their cgroups, mounts, folders of
// systemd-nspawn. All of it tells whose it is by the folder of the testbed, or by a
// hash of that.
func Leftovers(look machine.Look) ([]machine.Leftover, error) {
	found, err := lostGroups(look)
	if err != nil {
		return nil, err
	}
	mounts, err := mountinfo.Own()
	if err != nil {
		return nil, err
	}
	found = append(found, lostRoots(mounts)...)
	return append(found, lostRuntime(look)...), nil
}

// lostProvider is that of a testbed of which nothing is known but its folder.
func lostProvider(name, dir string) *Provider {
	return New(machine.Testbed{Name: name, Dir: dir}, "", Options{})
}

// lostGroups are the cgroups of testbeds. Their names have a hash of the folder,
// which tells whether a testbed is below the folder looked at; the folder of another
// is known by the command lines of its processes.
func lostGroups(look machine.Look) (found []machine.Leftover, err error) {
	trees, err := hierarchies()
	if err != nil {
		return nil, err
	}
	for _, id := range (group{trees: trees, path: []string{groupRoot}}).children() {
		name, hash, ok := cutLast(id, "-")
		if !ok {
			continue
		}
		g := group{trees: trees, path: []string{groupRoot, id}}
		pids, err := g.pids()
		if err != nil {
			return nil, err
		}
		dir := filepath.Join(look.Testbeds, name)
		if lostProvider(name, dir).groupPath()[1] != id {
			dir = folderOf(pids, name, hash)
		}
		what := lang.Text{EN: "a cgroup", KO: "cgroup"}
		if len(pids) > 0 {
			what = lang.Textf("%d processes of its machines", "머신의 프로세스 %d개", len(pids))
		}
		found = append(found, machine.Leftover{Testbed: name, Dir: dir, What: what, Processes: pids,
			Remove: func(ctx context.Context) error { return lostProvider(name, dir).removeLost(ctx) }})
	}
	return found, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// children are the names of the cgroups directly below, in whatever hierarchy.
func (g group) children() (names []string) {
	for _, h := range g.trees {
		entries, err := os.ReadDir(g.dir(h))
		if err != nil {
			continue // there is none in this hierarchy
		}
		for _, e := range entries {
			if e.IsDir() {
				names = append(names, e.Name())
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ofMachine matches what a machine's keeper has on its command line.
var ofMachine = regexp.MustCompile(`^(?:--directory=)?(/.*)/nspawn/machines/[^/]+/(?:root|run\.sh)$`)

// folderOf is the folder of the testbed that processes belong to, as their command
// lines say; "" if none does. The hash must fit: a machine's own processes can call
// themselves what they like.
func folderOf(pids []int, name, hash string) string {
	for _, pid := range pids {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			continue // it has ended
		}
		for arg := range strings.SplitSeq(string(line), "\x00") {
			if m := ofMachine.FindStringSubmatch(arg); m != nil && lostProvider(name, m[1]).groupPath()[1] == name+"-"+hash {
				return m[1]
			}
		}
	}
	return ""
}

// lostRuntime are the folders of systemd-nspawn for machines. Their names have only
// a hash, so they are found for testbeds and machines whose names are known.
func lostRuntime(look machine.Look) (found []machine.Leftover) {
	for _, name := range look.Names {
		p := lostProvider(name, filepath.Join(look.Testbeds, name))
		there := slices.DeleteFunc(slices.Clone(look.Machines), func(of string) bool {
			return !slices.ContainsFunc(p.machine(of).runtimeDirs(), exists)
		})
		if len(there) == 0 {
			continue
		}
		found = append(found, machine.Leftover{Testbed: name, Dir: p.tb.Dir,
			What: lang.Textf("what systemd-nspawn keeps of machines (%s)", "systemd-nspawn이 보관한 머신 정보(%s)", names(there)),
			Remove: func(ctx context.Context) error {
				return each(there, func(of string) error {
					m := p.machine(of)
					if err := m.unmountRoot(ctx); err != nil {
						return err
					}
					return m.removeRuntime()
				})
			}})
	}
	return found
}

// exists is sure of it: what a user who is not root can't look at is none of theirs.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// removeLost ends all processes of the testbed's machines and removes their cgroups.
func (p *Provider) removeLost(ctx context.Context) error {
	trees, err := hierarchies()
	if err != nil {
		return err
	}
	all := group{trees: trees, path: p.groupPath()}
	locks, err := all.nspawnLocks()
	if err != nil {
		return err
	}
	for _, name := range all.children() {
		if err := all.child(name).kill(ctx); err != nil { // by machine: each may stand still
			return err
		}
		if err := p.machine(name).removeCard(); err != nil {
			return err
		}
	}
	if err := all.kill(ctx); err != nil {
		return err
	}
	for _, lock := range locks {
		if err := removeIfThere(lock); err != nil {
			return err
		}
	}
	return p.removeGroups(ctx)
}

// nspawnLocks are systemd-nspawn's locks for the roots of the processes: a root
// that somebody has unmounted is still theirs. Where none of a machine's processes is
// left and systemd-nspawn is about to end, it still has its lock open.
func (g group) nspawnLocks() (locks []string, err error) {
	var host, st unix.Stat_t
	if err := unix.Stat("/", &host); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: "/", Err: err}
	}
	pids, err := g.pids()
	for _, pid := range pids {
		err := unix.Stat(fmt.Sprintf("/proc/%d/root", pid), &st) // fails if it has ended
		switch {
		case err != nil:
		case st.Dev == host.Dev && st.Ino == host.Ino:
			locks = append(locks, openIn(pid, locksDir)...)
		default:
			locks = append(locks, nspawnLock(st))
		}
	}
	slices.Sort(locks)
	return slices.Compact(locks), err
}

// openIn are the files of a folder that a process has open.
func openIn(pid int, dir string) (files []string) {
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, fd := range fds {
		if file, err := os.Readlink(fd); err == nil && filepath.Dir(file) == dir && exists(file) {
			files = append(files, file)
		}
	}
	return files
}

// everyName are the machines that have a folder, or processes without one.
func (p *Provider) everyName() ([]string, error) {
	names, err := p.names()
	if err != nil {
		return nil, err
	}
	trees, err := hierarchies()
	if err != nil {
		return nil, err
	}
	names = append(names, group{trees: trees, path: p.groupPath()}.children()...)
	slices.Sort(names)
	return slices.Compact(names), nil
}
