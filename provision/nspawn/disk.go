package nspawn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/mountinfo"
	"noriter.dev/noriter/provision/distro"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/preflight"
)

// What a machine writes is the host's space, and a full host is full for it, too. A machine
// with a disk has one file of that size for all that it writes and snapshots keep of it,
// with a file system in it: it can't fill more than that. All of its blocks are taken at
// once. In a file with holes, a host that others have filled would be an I/O error in the
// machine, and a file system in the midst of a write; so it is the machine's whatever happens.
//
// Quotas would need no file. But those of folders (ext4's and xfs's projects) are of file
// systems made or mounted for them, which hosts rarely have, and those of users can't
// count a machine: it has a million.

func (m *node) diskFile() string { return filepath.Join(m.dir, "disk.img") }
func (m *node) diskDir() string  { return filepath.Join(m.dir, "disk") }

// hasDisk says whether the machine has a disk. It is told by the file, since of a testbed
// that was lost nothing else may be known.
func (m *node) hasDisk() bool { return exists(m.diskFile()) }

// data is the folder of all that has no end: what the machine writes, and what snapshots
// keep of it where it has a disk.
func (m *node) data() string {
	if m.hasDisk() {
		return m.diskDir()
	}
	return m.dir
}

// makeDisk makes the file with its file system, whole or not at all; of no GiB it makes none.
func (m *node) makeDisk(ctx context.Context, gib int) error {
	if gib == 0 {
		return nil
	}
	made := m.diskFile() + ".new"
	err := reserve(made, int64(gib)<<30)
	if err == nil {
		// All is written now. What the kernel writes later in its own time, it writes as holes.
		const whole = "nodiscard,lazy_itable_init=0,lazy_journal_init=0"
		err = tool(ctx, "mkfs.ext4", "-q", "-F", "-m", "0", "-E", whole, made)
	}
	if err == nil {
		err = os.Rename(made, m.diskFile())
	}
	if err != nil {
		return errors.Join(lang.Errorf("making the disk of %s: %w", "%s의 디스크 만들기: %w", m.name, err), removeIfThere(made))
	}
	return m.ensureDisk(ctx)
}

// ensureDisk mounts the machine's disk, if it has one: whoever switches the machine off
// unmounts it, and so does a boot of the host.
func (m *node) ensureDisk(ctx context.Context) error {
	if !m.hasDisk() {
		return nil
	}
	m.p.diskMu.Lock()
	defer m.p.diskMu.Unlock()
	if err := m.mountDisk(ctx); err != nil {
		return lang.Errorf("mounting the disk of %s: %w", "%s의 디스크 마운트: %w", m.name, err)
	}
	// All blocks once more, as holes may have come: see keepBlocks.
	fi, err := os.Stat(m.diskFile())
	if err == nil {
		err = reserve(m.diskFile(), fi.Size())
	}
	if err != nil {
		return lang.Errorf("reserving the disk of %s: %w", "%s의 디스크 공간 확보: %w", m.name, err)
	}
	return nil
}

// ensureDisks mounts those of all machines.
func (p *Provider) ensureDisks(ctx context.Context) error {
	names, err := p.names()
	if err != nil {
		return err
	}
	return each(names, func(name string) error { return p.machine(name).ensureDisk(ctx) })
}

// lostDisk is the error for a machine that was made with a disk, and whose file is gone.
func (m *node) lostDisk(n record) error {
	if n.Disk == "" || m.hasDisk() {
		return nil
	}
	return m.damaged(lang.Errorf("its disk %s is gone, and with it what the machine wrote", "디스크 %s 파일이 없어졌고 머신이 쓴 내용도 함께 사라졌습니다", m.diskFile()))
}

// reserve makes a file of a size and takes all of its blocks; those that it has stay as
// they are.
func reserve(file string, size int64) error {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	err = unix.Fallocate(int(f.Fd()), 0, 0, size)
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EFBIG):
		return &machine.HostError{
			What: lang.Textf("this host has no %d GiB left for the disk of a machine", "이 호스트에 머신의 디스크로 쓸 %d GiB가 남아 있지 않습니다", size>>30).String(),
			Remedy: lang.T("df -h   # make room, or ask for less: --control-disk, --node-disk, or disk in testbed.yaml",
				"df -h   # 공간을 비우거나 더 적게 쓰세요: --control-disk, --node-disk 또는 testbed.yaml의 disk"),
			Err: err,
		}
	case errors.Is(err, unix.EOPNOTSUPP):
		return &machine.HostError{
			What:   lang.T("the file system of the testbeds can't reserve space (fallocate)", "테스트베드가 있는 파일 시스템은 공간을 미리 확보할 수 없습니다(fallocate)"),
			Remedy: lang.T("keep testbeds on ext4, xfs or btrfs (NORI_HOME), or leave disk out", "테스트베드를 ext4, xfs, btrfs에 두거나(NORI_HOME) disk를 빼세요"), Err: err,
		}
	case err != nil:
		return &fs.PathError{Op: "fallocate", Path: file, Err: err}
	}
	return nil
}

// mountDisk mounts it, as after a boot of the host.
func (m *node) mountDisk(ctx context.Context) error {
	if loop, err := m.loop(); err != nil || loop != "" {
		return err
	}
	if err := os.MkdirAll(m.diskDir(), 0o711); err != nil {
		return err
	}
	// mount(8) finds a loop device for it, or the one that the file has already.
	if err := tool(ctx, "mount", "-t", "ext4", "-o", "loop", m.diskFile(), m.diskDir()); err != nil {
		if loop, lerr := m.loop(); lerr == nil && loop != "" {
			return nil // another nori was faster
		}
		return &machine.HostError{
			What:   lang.T("this host can't mount the disk of a machine", "이 호스트에서는 머신의 디스크를 마운트할 수 없습니다"),
			Remedy: lang.T("modprobe loop   # or make the testbed without disk", "modprobe loop   # 아니면 disk 없이 테스트베드를 만드세요"), Err: err,
		}
	}
	if err := m.keepBlocks(); err != nil {
		return err
	}
	return os.Chmod(m.diskDir(), 0o711)
}

// keepBlocks keeps the kernel from making holes in the file: a loop device makes them of
// what is discarded (fstrim), and of zeroes that ext4 writes at the edges of files. Where
// these values can't be set, as in a container, the next start reserves the blocks again.
func (m *node) keepBlocks() error {
	loop, err := m.loop()
	if err != nil {
		return err
	}
	device := filepath.Base(loop)
	for _, file := range []string{
		"/sys/block/" + device + "/queue/discard_max_bytes", "/sys/fs/ext4/" + device + "/extent_max_zeroout_kb",
	} {
		err := os.WriteFile(file, []byte("0"), 0)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, unix.EROFS) {
			return err
		}
	}
	return nil
}

// loop is the device that is mounted as the disk, "" if none is.
func (m *node) loop() (string, error) {
	mounts, err := mountinfo.Own()
	if err != nil {
		return "", err
	}
	for _, at := range mounts {
		if at.Point == m.diskDir() {
			return at.Source, nil
		}
	}
	return "", nil
}

// tool runs a program of the system, and has what it said in its error.
func tool(ctx context.Context, name string, args ...string) error {
	path, err := preflight.ThisHost().Look(name)
	if err != nil {
		return &machine.HostError{
			What:   lang.Textf("a machine with a disk of its own needs the program %s", "디스크를 따로 둔 머신에는 %s 프로그램이 필요합니다", name).String(),
			Remedy: distro.Remedy(name), Err: err,
		}
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(out))
	}
	return nil
}
