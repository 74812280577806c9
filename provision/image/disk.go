package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"noriter.dev/noriter/internal/lang"
)

// diskGiB is the virtual size of the VMs' disk; it takes only what is written.
const diskGiB = 20

// EnsureDisk makes the VMs' disk from the root if it isn't there: qcow2, one
// ext4 without partitions. It takes some five seconds.
func (i Image) EnsureDisk(ctx context.Context) (string, error) {
	if _, err := os.Stat(i.Disk); err == nil {
		return i.Disk, nil // it was renamed into place, so it is whole
	}
	say := i.progress
	if say == nil {
		say = func(string) {}
	}
	unlock, err := lock(ctx, filepath.Join(i.Dir, "disk.lock"), lang.Text{
		EN: "another nori to make the machines' disk", KO: "다른 nori가 머신의 디스크를 만들기",
	}, say)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(i.Disk); err == nil {
		return i.Disk, nil
	}
	if err := checkSpace(i.Dir, diskBytes); err != nil {
		return "", err
	}
	raw, part := filepath.Join(i.Dir, "disk.raw.part"), i.Disk+".part"
	defer os.Remove(raw)
	for _, f := range []string{raw, part} {
		if err := os.RemoveAll(f); err != nil {
			return "", lang.Errorf("removing an interrupted disk: %w", "만들다 만 디스크 제거: %w", err)
		}
	}
	say(lang.T("making the machines' disk", "머신의 디스크를 만드는 중"))
	if err := i.makeDisk(ctx, raw, part); err != nil {
		_ = os.Remove(part)
		return "", diskFull(i.Dir, diskBytes, lang.Errorf("making the machines' disk: %w", "머신의 디스크 만들기: %w", err))
	}
	if err := syncTree(i.Dir); err != nil {
		return "", err
	}
	if err := os.Rename(part, i.Disk); err != nil {
		return "", lang.Errorf("putting the machines' disk in place: %w", "머신의 디스크를 제자리에 놓기: %w", err)
	}
	return i.Disk, syncDir(i.Dir)
}

func (i Image) makeDisk(ctx context.Context, raw, part string) error {
	// The file is sparse and so reads as zero: the inode tables need no
	// writing, neither here nor by each guest after its boot.
	_, err := tool(ctx, "mke2fs", "-q", "-F", "-t", "ext4", "-L", "noriter", "-m", "0",
		"-i", "32768", "-J", "size=32", "-E", "lazy_itable_init=0,assume_storage_prezeroed=1,nodiscard",
		"-d", i.Root, raw, fmt.Sprintf("%dG", diskGiB))
	if err != nil {
		return err
	}
	_, err = tool(ctx, "qemu-img", "convert", "-f", "raw", "-O", "qcow2",
		"-o", "lazy_refcounts=on,cluster_size=64k", raw, part)
	return err
}
