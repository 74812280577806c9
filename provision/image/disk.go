package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"noriter.dev/noriter/internal/format"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/seal"
)

// DiskGiB is the virtual size of the VMs' disk; it takes only what is written.
const DiskGiB = 20

// EnsureDisk makes the VMs' disk from the root if it isn't there: qcow2, one
// ext4 without partitions. It takes some five seconds. One that is damaged is made
// again, but not below those whose disks lie on it, for whom every block counts:
// that is an *InUseError.
func (i Image) EnsureDisk(ctx context.Context) (string, error) {
	if i.checkDisk() == nil {
		return i.Disk, nil
	}
	i.options = i.options.filled()
	unlock, err := lock(ctx, filepath.Join(i.Dir, "disk.lock"), lang.Text{
		EN: "another nori to make the machines' disk", KO: "다른 nori가 머신의 디스크를 만들기",
	}, i.options.Progress)
	if err != nil {
		return "", err
	}
	defer unlock()
	damage := i.checkDisk()
	if damage == nil {
		return i.Disk, nil
	}
	if err := i.mayReplaceDisk(damage); err != nil {
		return "", err
	}
	if err := checkSpace(i.Dir, diskBytes); err != nil {
		return "", err
	}
	return i.Disk, i.putDisk(ctx)
}

// checkDisk looks at the disk. One that an older nori made is sealed as it is.
func (i Image) checkDisk() error {
	err := i.bySeal(diskSealName, func(s *seal.Seal) (bool, error) { return s.Check(i.Dir) })
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, there := os.Lstat(filepath.Join(i.Dir, diskSealName)); there == nil || !startsLikeADisk(i.Disk) {
		return err
	}
	if kept := i.sealDisk(); kept != nil && !errors.Is(kept, fs.ErrPermission) {
		return kept
	}
	return nil
}

func (i Image) sealDisk() error {
	s, err := seal.Make(i.Dir, filepath.Base(i.Disk))
	if err != nil {
		return err
	}
	return s.Write(filepath.Join(i.Dir, diskSealName))
}

// startsLikeADisk tells a qcow2 from what is no disk at all.
func startsLikeADisk(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	_, err = f.ReadAt(magic[:], 0)
	return err == nil && string(magic[:]) == "QFI\xfb"
}

// mayReplaceDisk says why a disk can't be made again, or that it is.
func (i Image) mayReplaceDisk(damage error) error {
	var newer *format.NewerError
	if errors.As(damage, &newer) {
		return damage
	}
	if err := i.refuseBelow(damage); err != nil {
		return err
	}
	_, disk := os.Lstat(i.Disk)
	_, sealed := os.Lstat(filepath.Join(i.Dir, diskSealName))
	if disk != nil && sealed != nil {
		return nil // never made
	}
	i.options.Say(lang.Textf("the cached disk of machines was damaged (%v); making it again",
		"캐시의 머신 디스크가 손상되어(%v) 다시 만듭니다", damage).String())
	return nil
}

// putDisk makes the disk beside its place, and then puts it there.
func (i Image) putDisk(ctx context.Context) error {
	raw, part := filepath.Join(i.Dir, "disk.raw.part"), i.Disk+".part"
	defer os.Remove(raw)
	for _, f := range []string{raw, part} {
		if err := os.RemoveAll(f); err != nil {
			return lang.Errorf("removing an interrupted disk: %w", "만들다 만 디스크 제거: %w", err)
		}
	}
	i.options.Progress(lang.T("making the machines' disk", "머신의 디스크를 만드는 중"))
	if err := i.options.disk(ctx, i.Root, raw, part); err != nil {
		_ = os.Remove(part)
		return diskFull(i.Dir, diskBytes, lang.Errorf("making the machines' disk: %w", "머신의 디스크 만들기: %w", err))
	}
	if err := i.options.sync(i.Dir); err != nil {
		return err
	}
	if err := os.Rename(part, i.Disk); err != nil {
		return lang.Errorf("putting the machines' disk in place: %w", "머신의 디스크를 제자리에 놓기: %w", err)
	}
	// Between these two the disk does not match its seal, and is made once more.
	if err := i.sealDisk(); err != nil {
		return err
	}
	return syncDir(i.Dir)
}

func makeDisk(ctx context.Context, root, raw, to string) error {
	// The file is sparse and so reads as zero: the inode tables need no
	// writing, neither here nor by each guest after its boot.
	_, err := tool(ctx, "mke2fs", "-q", "-F", "-t", "ext4", "-L", "noriter", "-m", "0",
		"-i", "32768", "-J", "size=32", "-E", "lazy_itable_init=0,assume_storage_prezeroed=1,nodiscard",
		"-d", root, raw, fmt.Sprintf("%dG", DiskGiB))
	if err != nil {
		return err
	}
	_, err = tool(ctx, "qemu-img", "convert", "-f", "raw", "-O", "qcow2",
		"-o", "lazy_refcounts=on,cluster_size=64k", raw, to)
	return err
}
