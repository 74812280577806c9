package nspawn

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// hierarchy is one mounted cgroup tree: the one of v2, or one of v1 per
// controller. A host may have both.
type hierarchy struct {
	dir string
	v2  bool
	// controllers are those of v1, or those that v2's root offers.
	controllers []string
}

func (h hierarchy) has(controller string) bool { return slices.Contains(h.controllers, controller) }

// hierarchies lists this host's cgroup trees. They don't change while it runs.
var hierarchies = sync.OnceValues(func() ([]hierarchy, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("looking for cgroups: %w", err)
	}
	list := parseHierarchies(string(b))
	for i := range list {
		if list[i].v2 {
			c, err := os.ReadFile(filepath.Join(list[i].dir, "cgroup.controllers"))
			if err != nil {
				return nil, fmt.Errorf("looking for cgroups: %w", err)
			}
			list[i].controllers = strings.Fields(string(c))
		}
	}
	if len(list) == 0 {
		return nil, errors.New("looking for cgroups: none is mounted")
	}
	return list, nil
})

// parseHierarchies finds the cgroup mounts; of several mounts of one tree the
// first counts.
func parseHierarchies(mountinfo string) []hierarchy {
	var list []hierarchy
	seen := map[string]bool{}
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(strings.TrimSpace(line), " - ")
		f, super := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 6 || len(super) < 3 || seen[f[2]] {
			continue
		}
		switch super[0] {
		case "cgroup2":
			list = append(list, hierarchy{dir: unescape(f[4]), v2: true})
		case "cgroup":
			list = append(list, hierarchy{dir: unescape(f[4]), controllers: strings.Split(super[2], ",")})
		default:
			continue
		}
		seen[f[2]] = true // the device number names the tree
	}
	return list
}

// group is a cgroup of the same path in every hierarchy.
type group struct {
	trees []hierarchy
	path  []string
}

// groupRoot is where all testbeds' cgroups lie.
const groupRoot = "noriter"

func (p *Provider) groupPath() []string {
	return []string{groupRoot, p.tb.Name + "-" + p.tag("")[:5]}
}

func (m *node) group() (group, error) {
	trees, err := hierarchies()
	return group{trees: trees, path: append(m.p.groupPath(), m.name)}, err
}

func (g group) dir(h hierarchy) string { return filepath.Join(append([]string{h.dir}, g.path...)...) }

// child is a cgroup below.
func (g group) child(name string) group {
	return group{trees: g.trees, path: append(slices.Clone(g.path), name)}
}

// create makes the cgroup everywhere, ready for processes: v2 has no
// controller in a group whose parents don't pass it on, and v1's cpuset takes
// nobody before it has processors and memory.
func (g group) create() error {
	for _, h := range g.trees {
		dir := h.dir
		for _, part := range g.path {
			parent := dir
			dir = filepath.Join(dir, part)
			if h.v2 {
				passOn(parent, h.controllers)
			}
			if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("making cgroup %s: %w", dir, err)
			}
			if !h.v2 && h.has("cpuset") {
				if err := inherit(parent, dir, "cpuset.cpus", "cpuset.mems"); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// passOn enables v2's controllers for the groups below, as far as the host
// allows: a machine without some limits is better than none.
func passOn(dir string, controllers []string) {
	for _, c := range controllers {
		_ = os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+c), 0)
	}
}

func inherit(parent, dir string, files ...string) error {
	for _, f := range files {
		have, err := os.ReadFile(filepath.Join(dir, f))
		if err != nil {
			return fmt.Errorf("setting up cgroup %s: %w", dir, err)
		}
		if strings.TrimSpace(string(have)) != "" {
			continue
		}
		v, err := os.ReadFile(filepath.Join(parent, f))
		if err != nil {
			return fmt.Errorf("setting up cgroup %s: %w", dir, err)
		}
		if err := os.WriteFile(filepath.Join(dir, f), v, 0); err != nil {
			return fmt.Errorf("setting up cgroup %s: %w", dir, err)
		}
	}
	return nil
}

// limitMemory sets a limit where the host has the controller; 0 is none.
func (g group) limitMemory(mib int) error {
	for _, h := range g.trees {
		file, none := "memory.limit_in_bytes", "-1"
		if h.v2 {
			file, none = "memory.max", "max"
		}
		value := none
		if mib > 0 {
			value = strconv.Itoa(mib << 20)
		}
		path := filepath.Join(g.dir(h), file)
		if _, err := os.Stat(path); err != nil {
			continue // this hierarchy has no memory controller
		}
		if err := os.WriteFile(path, []byte(value), 0); err != nil {
			return fmt.Errorf("limiting memory to %s: %w", value, err)
		}
	}
	return nil
}

// pids lists the processes of the cgroup and those below, each once.
func (g group) pids() ([]int, error) {
	var pids []int
	for _, h := range g.trees {
		err := walkGroups(g.dir(h), func(dir string) error {
			b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
			if err != nil {
				return ignoreGone(err)
			}
			for _, f := range strings.Fields(string(b)) {
				if n, err := strconv.Atoi(f); err == nil && n > 0 {
					pids = append(pids, n)
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("listing processes: %w", err)
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids), nil
}

// walkGroups visits the folder and all below, the deepest first.
func walkGroups(dir string, f func(string) error) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ignoreGone(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := walkGroups(filepath.Join(dir, e.Name()), f); err != nil {
				return err
			}
		}
	}
	return f(dir)
}

// ignoreGone passes over a cgroup that ended while we looked.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

// remove removes the cgroup and those below; there must be no process left.
func (g group) remove() error {
	deadline := time.Now().Add(3 * time.Second)
	for _, h := range g.trees {
		for {
			err := walkGroups(g.dir(h), func(dir string) error { return ignoreGone(os.Remove(dir)) })
			if err == nil {
				break
			}
			// The kernel counts a process a moment longer than it lives.
			if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
				return fmt.Errorf("removing cgroup: %w", err)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	return nil
}

// removeGroups removes the testbed's cgroup, and the root of all testbeds if
// it is the last.
func (p *Provider) removeGroups() error {
	trees, err := hierarchies()
	if err != nil {
		return err
	}
	g := group{trees: trees, path: p.groupPath()}
	if err := g.remove(); err != nil {
		return err
	}
	for _, h := range trees {
		err := os.Remove(filepath.Join(h.dir, groupRoot))
		if err != nil && !errors.Is(err, unix.EBUSY) && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing cgroup: %w", err)
		}
	}
	return nil
}
