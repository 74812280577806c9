package machine

import (
	"fmt"
	"path"
	"strings"
)

// group is the memory of a control group, in bytes; limit is zero if it has none.
type group struct{ used, workingSet, limit int64 }

// noLimit is above any limit that somebody set: version 1 writes "none" as a
// number near 2^63.
const noLimit = int64(1) << 60

// memoryGroup reads the control group of the whole machine: that of its first
// process, but for the scope that systemd puts itself into. It is not ok at the
// root of the hierarchy, where nothing is limited.
func (m Machine) memoryGroup() (g group, ok bool) {
	text, err := m.read("/proc/1/cgroup")
	if err != nil {
		return group{}, false
	}
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		dir := path.Clean(strings.TrimSuffix(parts[2], "/init.scope"))
		if dir == "." || dir == "/" {
			continue
		}
		switch {
		case parts[1] == "memory":
			return m.groupV1(path.Join("/sys/fs/cgroup/memory", dir))
		case parts[0] == "0" && parts[1] == "":
			if g, ok := m.groupV2(path.Join("/sys/fs/cgroup", dir)); ok {
				return g, true
			}
		}
	}
	return group{}, false
}

func (m Machine) groupV1(dir string) (group, bool) {
	used, ok := m.number(path.Join(dir, "memory.usage_in_bytes"))
	if !ok {
		return group{}, false
	}
	limit, _ := m.number(path.Join(dir, "memory.limit_in_bytes"))
	if limit > noLimit {
		limit = 0
	}
	return group{used: used, limit: limit, workingSet: max(used-m.stat(dir, "total_inactive_file"), 0)}, true
}

func (m Machine) groupV2(dir string) (group, bool) {
	used, ok := m.number(path.Join(dir, "memory.current"))
	if !ok {
		return group{}, false
	}
	limit, _ := m.number(path.Join(dir, "memory.max")) // "max" is no number
	return group{used: used, limit: limit, workingSet: max(used-m.stat(dir, "inactive_file"), 0)}, true
}

func (m Machine) number(file string) (int64, bool) {
	text, err := m.read(file)
	if err != nil {
		return 0, false
	}
	var n int64
	_, err = fmt.Sscan(text, &n)
	return n, err == nil
}

// stat is one line of memory.stat.
func (m Machine) stat(dir, name string) int64 {
	text, err := m.read(path.Join(dir, "memory.stat"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, " ")
		var n int64
		if _, err := fmt.Sscan(value, &n); key == name && err == nil {
			return n
		}
	}
	return 0
}
