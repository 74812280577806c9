package nspawn

import (
	"context"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/mountinfo"
	"noriter.dev/noriter/provision/machine"
)

// ofUpper matches the folder that a machine writes into, ofView the place where it
// sees the image, and ofDisk that of a disk.
var (
	ofUpper = regexp.MustCompile(`^(/.*)/nspawn/machines/([^/]+)/(?:disk/)?upper$`)
	ofDisk  = regexp.MustCompile(`^(/.*)/nspawn/machines/([^/]+)/disk$`)
	ofView  = regexp.MustCompile(`^(/.*)/nspawn/machines/([^/]+)/image$`)
)

// lostRoots are the machines' roots that are mounted, and the views of the image that
// these lie on. A root knows the folder that it was made with, also where that was moved
// or removed since; a view is its neighbour, or stands alone.
func lostRoots(mounts []mountinfo.Mount) (found []machine.Leftover) {
	machines, points := map[string][]string{}, map[string][]string{} // by folder
	add := func(dir, name, point string) {
		machines[dir], points[dir] = append(machines[dir], name), append(points[dir], point)
	}
	beside := map[string]string{} // the folder of the testbed by that of the machine
	for _, m := range mounts {
		upper := ofUpper.FindStringSubmatch(m.Options["upperdir"])
		if m.Type != "overlay" || m.Source != overlaySource || upper == nil {
			continue
		}
		dir := overlayPath.Replace(upper[1])
		add(dir, upper[2], m.Point)
		beside[filepath.Dir(m.Point)] = dir
	}
	for _, m := range mounts {
		view := ofView.FindStringSubmatch(m.Point)
		if view == nil {
			continue
		}
		dir, ok := beside[filepath.Dir(m.Point)]
		if !ok {
			dir = view[1]
		}
		add(dir, view[2], m.Point)
	}
	for _, m := range mounts { // last, as roots lie on it
		if disk := ofDisk.FindStringSubmatch(strings.TrimSuffix(m.Point, mountinfo.Removed)); disk != nil {
			add(disk[1], disk[2], m.Point)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(points)) {
		found = append(found, machine.Leftover{Testbed: filepath.Base(dir), Dir: dir,
			What:   lang.Textf("mounted disks (%s)", "마운트된 디스크(%s)", names(machines[dir])),
			Remove: func(ctx context.Context) error { return unmountLost(ctx, points[dir]) }})
	}
	return found
}

func names(of []string) string {
	slices.Sort(of)
	return strings.Join(slices.Compact(of), ", ")
}

// overlayPath undoes escapeOption: older kernels show the options as they were given.
var overlayPath = strings.NewReplacer(`\\`, `\`, `\:`, `:`, `\,`, `,`)

// unmountLost takes machines' roots away, and what is mounted below, and the locks
// that systemd-nspawn has for them; then the views of the image.
func unmountLost(ctx context.Context, points []string) error {
	for _, root := range points {
		if st, err := stat(root); err == nil {
			if err := removeIfThere(nspawnLock(st)); err != nil {
				return err
			}
		}
		mounted, err := mountinfo.Under(root)
		if err != nil {
			return err
		}
		slices.Reverse(mounted)
		for _, target := range mounted {
			if err := unmount(ctx, target); err != nil {
				return lang.Errorf("unmounting %s: %w", "%s 마운트 해제: %w", target, err)
			}
		}
	}
	return nil
}
