// Package mountinfo tells what is mounted where, as the kernel says it in
// /proc/PID/mountinfo (proc_pid_mountinfo(5)).
package mountinfo

import (
	"os"
	"path"
	"strconv"
	"strings"

	"noriter.dev/noriter/internal/lang"
)

// Mount is one mount of a mount namespace.
type Mount struct {
	// Device is the file system's "MAJOR:MINOR", and Root the folder of it that is
	// mounted. One that was removed since ends in Removed.
	Device, Root string
	// Point is where it is mounted.
	Point string
	// Type and Source are the file system's.
	Type, Source string
	// Options are the file system's own, by name; those without a value are "".
	Options map[string]string
}

// Removed is what the kernel puts behind the name of a folder that is gone.
const Removed = "//deleted"

// Own are the mounts of this process, in the order of mounting.
func Own() ([]Mount, error) { return read("/proc/self/mountinfo") }

// Of are the mounts that another process sees.
func Of(pid int) ([]Mount, error) { return read("/proc/" + strconv.Itoa(pid) + "/mountinfo") }

func read(file string) ([]Mount, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, lang.Errorf("reading the mounts: %w", "마운트 목록 읽기: %w", err)
	}
	return parse(string(b)), nil
}

func parse(mountinfo string) (all []Mount) {
	for line := range strings.Lines(mountinfo) {
		before, after, _ := strings.Cut(strings.TrimSpace(line), " - ")
		f, super := strings.Fields(before), strings.Fields(after)
		if len(f) < 5 {
			continue
		}
		m := Mount{Device: f[2], Root: Unescape(f[3]), Point: Unescape(f[4])}
		if len(super) > 2 {
			m.Type, m.Source, m.Options = super[0], Unescape(super[1]), options(super[2])
		}
		all = append(all, m)
	}
	return all
}

// options are those of the file system. The kernel escapes a comma in a value.
func options(list string) map[string]string {
	out := map[string]string{}
	for o := range strings.SplitSeq(list, ",") {
		name, value, _ := strings.Cut(o, "=")
		out[name] = Unescape(value)
	}
	return out
}

// Under lists the mount points at a folder and below it, in the order of mounting.
func Under(dir string) ([]string, error) {
	all, err := Own()
	if err != nil {
		return nil, err
	}
	return under(dir, all), nil
}

func under(dir string, all []Mount) (points []string) {
	for _, m := range all {
		if Within(m.Point, dir) {
			points = append(points, m.Point)
		}
	}
	return points
}

// Within says whether a path is that of a folder, or below it.
func Within(p, dir string) bool {
	return p == dir || strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/")
}

// Paths are where a folder of a file system is seen by who has these mounts: usually
// one path, and none if that part of the file system is not mounted. It is named as
// another process's Mount names it, so it may have been removed.
func Paths(all []Mount, device, root string) (paths []string) {
	root = strings.TrimSuffix(root, Removed)
	for _, m := range all {
		if m.Device == device && Within(root, m.Root) {
			paths = append(paths, path.Join(m.Point, strings.TrimPrefix(root, strings.TrimSuffix(m.Root, "/"))))
		}
	}
	return paths
}

// Unescape undoes the octal escapes of proc_pid_mountinfo(5).
func Unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
