package histories

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// surroundings are what happens to the host.
var surroundings = []action{
	{name: "host reboot", weight: 3, on: true, do: func(w *world, _ []string) error { w.powerOff(); return nil }},
	{name: "stranger", weight: 1, do: func(w *world, _ []string) error {
		_, err := run("ip", "netns", "add", "stranger")
		if err != nil {
			return nil // it is there already
		}
		w.undo = append(w.undo, func() { _, _ = run("ip", "netns", "del", "stranger") })
		mount, _ := run("findmnt", "-rno", "TARGET,SOURCE,FSTYPE", "/run/netns/stranger")
		w.before = w.before.with("namespaces", "stranger").with("files", "/run/netns/stranger").with("mounts", strings.TrimSpace(mount))
		return nil
	}},
	{name: "namespace unpinned", weight: 1, on: true, do: func(w *world, _ []string) error {
		_ = unix.Unmount("/run/netns/nori-"+name, unix.MNT_DETACH) // the testbed may not be isolated
		return nil
	}},
	{name: "namespace removed", weight: 1, on: true, do: func(*world, []string) error {
		_, _ = run("ip", "netns", "del", "nori-"+name) // the testbed may not be isolated
		return nil
	}},
	{name: "cache damaged", weight: 8, cache: true, args: func(r *rand.Rand, _ bed) []string {
		return []string{one(r, "remove", "empty", "cut", "garble"), one(r, "images/*/*", "images/*/*.json", "images/*.tar")}
	}, do: func(w *world, args []string) error {
		for _, f := range filesOf(filepath.Join(w.cash, args[1])) {
			if i, err := os.Stat(f); err == nil && i.Mode().IsRegular() {
				if err := damage(args[0], f); err != nil {
					return err
				}
			}
		}
		return nil
	}},
	{name: "disk filled", weight: 12, on: true, disk: true, do: func(w *world, _ []string) error { return w.fill() }},
	{name: "disk freed", weight: 12, on: true, disk: true, do: func(w *world, _ []string) error {
		return w.free()
	}},
}

// with is a sight in which there is one line more.
func (h hostSight) with(what, line string) hostSight {
	out := hostSight{}
	for k, v := range h {
		out[k] = v
	}
	out[what] = append(append([]string{}, out[what]...), line)
	return out
}

func (w *world) filler() string { return filepath.Join(w.home, "filler") }

// free makes room again.
func (w *world) free() error {
	w.full = false
	if err := os.Remove(w.filler()); !os.IsNotExist(err) {
		return err
	}
	return nil
}

// fill fills the testbed's disk to the last block.
func (w *world) fill() error {
	w.full = true
	f, err := os.OpenFile(w.filler(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil // not even a file has room
	}
	defer f.Close()
	size := int64(0)
	for piece := int64(1 << 30); piece >= 1<<10; {
		if unix.Fallocate(int(f.Fd()), 0, size, piece) != nil {
			piece /= 2
			continue
		}
		size += piece
	}
	return nil
}
