package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
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
	unlock, err := lock(ctx, filepath.Join(i.Dir, "disk.lock"), "another making of the machines' disk to end", say)
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
			return "", fmt.Errorf("removing an interrupted disk: %w", err)
		}
	}
	say("making the machines' disk")
	if err := i.makeDisk(ctx, raw, part); err != nil {
		_ = os.Remove(part)
		return "", diskFull(i.Dir, diskBytes, fmt.Errorf("making the machines' disk: %w", err))
	}
	if err := syncTree(i.Dir); err != nil {
		return "", err
	}
	if err := os.Rename(part, i.Disk); err != nil {
		return "", fmt.Errorf("putting the machines' disk in place: %w", err)
	}
	return i.Disk, syncDir(i.Dir)
}

func (i Image) makeDisk(ctx context.Context, raw, part string) error {
	// The file is sparse and so reads as zero: the inode tables need no
	// writing, neither here nor by each guest after its boot.
	_, err := tool(ctx, "e2fsprogs", "mke2fs", "-q", "-F", "-t", "ext4", "-L", "noriter", "-m", "0",
		"-i", "32768", "-J", "size=32", "-E", "lazy_itable_init=0,assume_storage_prezeroed=1,nodiscard",
		"-d", i.Root, raw, fmt.Sprintf("%dG", diskGiB))
	if err != nil {
		return err
	}
	_, err = tool(ctx, "qemu-utils", "qemu-img", "convert", "-f", "raw", "-O", "qcow2",
		"-o", "lazy_refcounts=on,cluster_size=64k", raw, part)
	return err
}
