package nspawn

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/mountinfo"
	"noriter.dev/noriter/internal/wait"
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
		return nil, lang.Errorf("looking for cgroups: %w", "cgroup 찾기: %w", err)
	}
	list := parseHierarchies(string(b))
	for i := range list {
		if list[i].v2 {
			c, err := os.ReadFile(filepath.Join(list[i].dir, "cgroup.controllers"))
			if err != nil {
				return nil, lang.Errorf("looking for cgroups: %w", "cgroup 찾기: %w", err)
			}
			list[i].controllers = strings.Fields(string(c))
		}
	}
	if len(list) == 0 {
		return nil, lang.Errorf("looking for cgroups: none is mounted", "cgroup 찾기: 마운트된 것이 없습니다")
	}
	return list, nil
})

// parseHierarchies finds the cgroup mounts; of several mounts of one tree the
// first counts.
func parseHierarchies(mounts string) []hierarchy {
	var list []hierarchy
	seen := map[string]bool{}
	for line := range strings.Lines(mounts) {
		before, after, ok := strings.Cut(strings.TrimSpace(line), " - ")
		f, super := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 6 || len(super) < 3 || seen[f[2]] {
			continue
		}
		switch super[0] {
		case "cgroup2":
			list = append(list, hierarchy{dir: mountinfo.Unescape(f[4]), v2: true})
		case "cgroup":
			list = append(list, hierarchy{dir: mountinfo.Unescape(f[4]), controllers: strings.Split(super[2], ",")})
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
				return lang.Errorf("making cgroup %s: %w", "cgroup %s 만들기: %w", dir, err)
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
			return lang.Errorf("setting up cgroup %s: %w", "cgroup %s 설정: %w", dir, err)
		}
		if strings.TrimSpace(string(have)) != "" {
			continue
		}
		v, err := os.ReadFile(filepath.Join(parent, f))
		if err != nil {
			return lang.Errorf("setting up cgroup %s: %w", "cgroup %s 설정: %w", dir, err)
		}
		if err := os.WriteFile(filepath.Join(dir, f), v, 0); err != nil {
			return lang.Errorf("setting up cgroup %s: %w", "cgroup %s 설정: %w", dir, err)
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
			return nil, lang.Errorf("listing processes: %w", "프로세스 목록 읽기: %w", err)
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

const (
	// killTimeout is how long killed processes may take to be gone.
	killTimeout = 10 * time.Second
	// removeTimeout is how long the kernel may take to see that they are.
	removeTimeout = 3 * time.Second
)

// kill ends all processes of the cgroup and waits until they are gone.
func (g group) kill(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, killTimeout)
	defer cancel()
	what := lang.Text{EN: "killed processes to end", KO: "강제 종료한 프로세스가 끝나기"}
	return wait.Until(ctx, 5*time.Millisecond, what, func(context.Context) (bool, string, error) {
		pids, err := g.pids()
		if err != nil || len(pids) == 0 {
			return err == nil, "", err
		}
		for _, pid := range pids {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				return false, "", lang.Errorf("killing process %d: %w", "프로세스 %d 강제 종료: %w", pid, err)
			}
		}
		// v1 keeps even killed processes frozen.
		return false, lang.Textf("processes %v", "프로세스 %v", pids).String(), g.thaw()
	})
}

// remove removes the cgroup and those below; there must be no process left.
func (g group) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	what := lang.Textf("the kernel to give up cgroup %s", "커널이 cgroup %s을(를) 놓기", filepath.Join(g.path...))
	for _, h := range g.trees {
		err := wait.Until(ctx, 5*time.Millisecond, what, func(context.Context) (bool, string, error) {
			err := walkGroups(g.dir(h), func(dir string) error { return ignoreGone(os.Remove(dir)) })
			if errors.Is(err, unix.EBUSY) { // it counts a process a moment longer than that lives
				return false, err.Error(), nil
			}
			return err == nil, "", err
		})
		if err != nil {
			return lang.Errorf("removing cgroup: %w", "cgroup 제거: %w", err)
		}
	}
	return nil
}

// removeGroups removes the testbed's cgroup, and the root of all testbeds if
// it is the last.
func (p *Provider) removeGroups(ctx context.Context) error {
	trees, err := hierarchies()
	if err != nil {
		return err
	}
	g := group{trees: trees, path: p.groupPath()}
	if err := g.remove(ctx); err != nil {
		return err
	}
	last := true
	for _, h := range trees {
		err := os.Remove(filepath.Join(h.dir, groupRoot))
		last = last && !errors.Is(err, unix.EBUSY)
		if err != nil && !errors.Is(err, unix.EBUSY) && !errors.Is(err, fs.ErrNotExist) {
			return lang.Errorf("removing cgroup: %w", "cgroup 제거: %w", err)
		}
	}
	if last {
		hostInotify.putBack()
	}
	return nil
}
