// Package machine reads what a node has and how much of it is used: from /proc,
// /sys and statfs(2), with nothing in between.
//
// A machine may be a container itself, limited by a control group while /proc
// shows the whole host. The limit then is what counts.
package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Machine is the machine this process runs on.
type Machine struct {
	// Root is prepended to all paths; it is empty but in tests.
	Root string
	// MemoryLimit is the memory that this machine may use in bytes, where
	// somebody knows better than the kernel; zero if not.
	MemoryLimit int64
	// CPULimit is how many processors this machine may use at once; zero is all that the
	// kernel shows.
	CPULimit int
}

// Memory is what is known of the memory, in bytes.
type Memory struct {
	Total int64
	// Available can be had without swapping.
	Available int64
	// Used includes caches, WorkingSet doesn't include what can be dropped at once.
	Used, WorkingSet int64
}

// Memory reads the memory of the machine, or of the control group it lives in
// where that is smaller.
func (m Machine) Memory() (Memory, error) {
	text, err := m.read("/proc/meminfo")
	if err != nil {
		return Memory{}, err
	}
	info := meminfo(text)
	got := Memory{Total: info["MemTotal"], Available: info["MemAvailable"], Used: info["MemTotal"] - info["MemFree"]}
	if got.Total == 0 {
		return Memory{}, fmt.Errorf("%s/proc/meminfo says nothing of MemTotal", m.Root)
	}
	got.WorkingSet = max(got.Used-info["Inactive(file)"], 0)
	group, inGroup := m.memoryGroup()
	if inGroup {
		got.Used, got.WorkingSet = group.used, group.workingSet
	}
	limit := got.Total
	if group.limit > 0 {
		limit = min(limit, group.limit)
	}
	if m.MemoryLimit > 0 {
		limit = min(limit, m.MemoryLimit)
	}
	if limit < got.Total {
		got.Total = limit
		if inGroup {
			got.Available = min(got.Available, max(limit-group.workingSet, 0))
		} else {
			got.Available = min(got.Available, limit)
		}
	}
	return got, nil
}

// meminfo takes lines such as "MemTotal:  24 kB" apart, into bytes.
func meminfo(text string) map[string]int64 {
	out := map[string]int64{}
	for line := range strings.Lines(text) {
		var kib int64
		name, rest, _ := strings.Cut(line, ":")
		if _, err := fmt.Sscan(rest, &kib); err == nil {
			out[name] = kib << 10
		}
	}
	return out
}

// CPUs is how many processors there are to be used.
func (m Machine) CPUs() int {
	if n := runtime.NumCPU(); m.CPULimit == 0 || n < m.CPULimit {
		return n
	}
	return m.CPULimit
}

// CPUTime is how long the processors have worked since boot, all together.
func (m Machine) CPUTime() (time.Duration, error) {
	text, err := m.read("/proc/stat")
	if err != nil {
		return 0, err
	}
	var user, nice, system, idle, iowait, irq, softirq, steal int64
	if _, err := fmt.Sscanf(text, "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &iowait, &irq, &softirq, &steal); err != nil {
		return 0, fmt.Errorf("reading the first line of /proc/stat: %w", err)
	}
	// The kernel counts in hundredths of a second here on every architecture.
	return time.Duration(user+nice+system+irq+softirq+steal) * 10 * time.Millisecond, nil
}

// BootTime is when the machine started.
func (m Machine) BootTime() time.Time {
	var up float64
	if text, err := m.read("/proc/uptime"); err == nil {
		_, _ = fmt.Sscan(text, &up)
	}
	return time.Now().Add(-time.Duration(up * float64(time.Second)))
}

// PIDs says how many tasks there may be and how many there are.
func (m Machine) PIDs() (limit, running int64, err error) {
	load, err := m.read("/proc/loadavg")
	if err != nil {
		return 0, 0, err
	}
	fields := strings.Fields(load)
	if len(fields) < 4 {
		return 0, 0, fmt.Errorf("/proc/loadavg has an unknown form: %q", load)
	}
	_, total, _ := strings.Cut(fields[3], "/")
	if _, err := fmt.Sscan(total, &running); err != nil {
		return 0, 0, fmt.Errorf("/proc/loadavg has an unknown form: %q", load)
	}
	for _, path := range []string{"/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"} {
		var n int64
		text, err := m.read(path)
		if err != nil {
			return 0, 0, err
		}
		if _, err := fmt.Sscan(text, &n); err != nil {
			return 0, 0, fmt.Errorf("%s has an unknown form: %q", path, text)
		}
		if limit == 0 || n < limit {
			limit = n
		}
	}
	return limit, running, nil
}

// Filesystem is what is known of one file system; sizes in bytes.
type Filesystem struct {
	Capacity, Available, Used int64
	Inodes, InodesFree        int64
}

// FilesystemOf reads the file system that path lies on. If path isn't there yet,
// that of its nearest parent counts.
func (m Machine) FilesystemOf(path string) (Filesystem, error) {
	var st unix.Statfs_t
	path = filepath.Join(m.Root, path)
	err := unix.Statfs(path, &st)
	for err == unix.ENOENT && path != "/" {
		path = filepath.Dir(path)
		err = unix.Statfs(path, &st)
	}
	if err != nil {
		return Filesystem{}, fmt.Errorf("looking at the file system of %s: %w", path, err)
	}
	size := int64(st.Bsize)
	return Filesystem{
		Capacity:  int64(st.Blocks) * size,
		Available: int64(st.Bavail) * size,
		Used:      int64(st.Blocks-st.Bfree) * size,
		Inodes:    int64(st.Files), InodesFree: int64(st.Ffree),
	}, nil
}

// read is the content of a file below Root.
func (m Machine) read(path string) (string, error) {
	data, err := os.ReadFile(filepath.Join(m.Root, path))
	if err != nil {
		return "", fmt.Errorf("reading about the machine: %w", err)
	}
	return string(data), nil
}
