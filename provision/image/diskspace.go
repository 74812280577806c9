package image

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
)

const (
	// buildBytes is what a build needs at its peak: the root, the packages'
	// archives and apt's lists.
	buildBytes = 1200 << 20
	// diskBytes is what making the VMs' disk needs.
	diskBytes = 1000 << 20
)

// checkSpace refuses to start what the disk can't hold.
func checkSpace(dir string, need int64) error {
	free, err := freeBytes(dir)
	if err != nil {
		return err
	}
	if free < need {
		return noSpace(dir, need, free, nil)
	}
	return nil
}

func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, lang.Errorf("asking for the free space of %s: %w", "%s의 남은 공간 확인: %w", dir, err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}

func noSpace(dir string, need, free int64, err error) error {
	return &machine.HostError{
		What: lang.Textf("too little disk space: %s has %d MiB free, %d MiB are needed",
			"디스크 공간이 부족합니다: %s에 %d MiB가 남았고 %d MiB가 필요합니다", dir, free>>20, need>>20).String(),
		Remedy: lang.T("free some space there, or choose another cache folder", "그곳의 공간을 비우거나 다른 캐시 폴더를 고르세요"),
		Err:    err,
	}
}

// diskFull turns an error that a full disk caused into one that says so. The
// programs we run tell it only in words.
func diskFull(dir string, need int64, err error) error {
	if !errors.Is(err, unix.ENOSPC) && !strings.Contains(err.Error(), "No space left on device") &&
		!strings.Contains(err.Error(), "enough free space") {
		return err
	}
	free, ferr := freeBytes(dir)
	if ferr != nil {
		return errors.Join(err, ferr)
	}
	return noSpace(dir, need, free, err)
}

// diskUsage adds up the blocks that a tree takes.
func diskUsage(root string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		if st, ok := fi.Sys().(*syscall.Stat_t); ok {
			sum += st.Blocks * 512
		} else {
			sum += fi.Size()
		}
		return nil
	})
	if err != nil {
		return 0, lang.Errorf("measuring %s: %w", "%s의 크기 재기: %w", root, err)
	}
	return sum, nil
}
