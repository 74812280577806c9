// Package inuse tells whether anybody on this host stands on files of a cache: an
// overlay whose lower layer a folder is, a process that has a file open. The kernel
// says so itself, whichever program mounted or opened them, and however long ago.
package inuse

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/mountinfo"
)

// User is one who stands on files.
type User struct {
	// Mount is where an overlay is mounted, empty for a process.
	Mount string
	// PID and Command are of a process that has a file open.
	PID     int
	Command string
}

// Text names it for people.
func (u User) Text() lang.Text {
	if u.Mount != "" {
		return lang.Textf("the mount %s", "마운트 %s", u.Mount)
	}
	return lang.Textf("process %d (%s)", "프로세스 %d(%s)", u.PID, u.Command)
}

// Layers lists the overlays that have a folder, or one below it, as a lower layer, in
// all mount namespaces that this process may look into.
func Layers(dir string) ([]User, error) {
	pids, err := processes()
	if err != nil {
		return nil, err
	}
	var found []User
	namespaces, devices := map[string]bool{}, map[string]bool{}
	for _, pid := range append([]int{os.Getpid()}, pids...) {
		ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", pid))
		if err != nil || namespaces[ns] {
			continue // ended, another user's, or seen
		}
		namespaces[ns] = true
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
		if err != nil {
			continue // ended meanwhile
		}
		for _, o := range overlays(string(b)) {
			if !devices[o.device] && o.on(dir, fmt.Sprintf("/proc/%d/root", pid)) {
				devices[o.device] = true // a machine sees its root in its own namespace, too
				found = append(found, User{Mount: o.point})
			}
		}
	}
	return found, nil
}

// overlay is a line of mountinfo.
type overlay struct {
	device, point string
	lower         []string
}

// on says whether a folder is below the overlay. Its layers may have other names where it
// was mounted, which is seen from a root.
func (o overlay) on(dir, root string) bool {
	for _, l := range o.lower {
		if l == dir || strings.HasPrefix(l, strings.TrimSuffix(dir, "/")+"/") || sameFolder(filepath.Join(root, l), dir) {
			return true
		}
	}
	return false
}

// sameFolder finds a folder by another name, through a link, a bind mount, or a mount
// with other owners.
func sameFolder(a, b string) bool {
	fa, errA := os.Stat(a)
	fb, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(fa, fb)
}

func overlays(mounts string) (found []overlay) {
	for line := range strings.Lines(mounts) {
		before, after, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 5 || len(g) < 3 || g[0] != "overlay" {
			continue
		}
		o := overlay{device: f[2], point: mountinfo.Unescape(f[4])}
		for _, option := range split(mountinfo.Unescape(g[2]), ',') {
			if value, ok := strings.CutPrefix(option, "lowerdir="); ok {
				o.lower = append(o.lower, split(value, ':')...)
			} else if value, ok := strings.CutPrefix(option, "lowerdir+="); ok {
				o.lower = append(o.lower, value)
			}
		}
		for i := range o.lower {
			o.lower[i] = strings.ReplaceAll(o.lower[i], `\`, "")
		}
		found = append(found, o)
	}
	return found
}

// split cuts at a separator that no backslash is before.
func split(s string, separator byte) (parts []string) {
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case separator:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// Openers lists the processes that have one of some files open, under whatever name.
// This process is none of them.
func Openers(files ...string) ([]User, error) {
	type id struct{ dev, ino uint64 }
	wanted := map[id]bool{}
	for _, f := range files {
		var st unix.Stat_t
		if err := unix.Stat(f, &st); err == nil { // nobody opens what is not there
			wanted[id{st.Dev, st.Ino}] = true
		}
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	pids, err := processes()
	if err != nil {
		return nil, err
	}
	var found []User
	for _, pid := range pids {
		open, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		if err != nil {
			return nil, err
		}
		for _, fd := range open {
			var st unix.Stat_t
			if unix.Stat(fd, &st) == nil && wanted[id{st.Dev, st.Ino}] {
				found = append(found, User{PID: pid, Command: command(pid)})
				break
			}
		}
	}
	return found, nil
}

func command(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return "?"
	}
	return strings.TrimSpace(string(b))
}

// processes are all others' IDs.
func processes() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, lang.Errorf("listing the processes: %w", "프로세스 목록 읽기: %w", err)
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
