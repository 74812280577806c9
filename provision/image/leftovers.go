package image

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/mountinfo"
	"noriter.dev/noriter/provision/machine"
)

// leftoverPrefix starts the name of every folder that is being built.
const leftoverPrefix = ".building-"

// removeLeftovers removes what interrupted builds left. The caller holds the
// lock, so nobody is building.
func removeLeftovers(base string) error {
	entries, err := os.ReadDir(base)
	if err != nil {
		return lang.Errorf("looking for leftovers: %w", "중단된 빌드가 남긴 것 찾기: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), leftoverPrefix) {
			if err := removeTree(filepath.Join(base, e.Name())); err != nil {
				return lang.Errorf("removing an interrupted build: %w", "중단된 빌드 제거: %w", err)
			}
		}
	}
	return nil
}

// removeTree removes a folder of the cache. What a killed build left mounted
// in it is unmounted first, as behind a mount are the host's own files.
func removeTree(dir string) error {
	mounted, err := mountinfo.Under(dir)
	if err != nil {
		return err
	}
	for _, m := range slices.Backward(mounted) {
		if err := unix.Unmount(m, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return &machine.HostError{
				What: lang.Textf("%s is still mounted and can't be unmounted",
					"%s이(가) 아직 마운트되어 있고 마운트를 해제할 수 없습니다", m).String(),
				Remedy: "umount " + m, Err: err,
			}
		}
	}
	if mounted, err = mountinfo.Under(dir); err != nil || len(mounted) > 0 {
		return errors.Join(err, lang.Errorf("not removing %s: still mounted: %q",
			"%s을(를) 제거하지 않습니다: 아직 마운트되어 있습니다: %q", dir, mounted))
	}
	if err := os.RemoveAll(dir); err != nil {
		return lang.Errorf("removing %s: %w", "%s 제거: %w", dir, err)
	}
	return nil
}
