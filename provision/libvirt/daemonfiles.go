package libvirt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"libvirt.org/go/libvirtxml"

	"noriter.dev/noriter/internal/filelock"
	"noriter.dev/noriter/internal/lang"
)

// What QEMU's user sees of a testbed's files and of the cache.
//
// On the host their folders stay closed to it. In the mount namespace of the
// testbed's libvirtd, where QEMU runs too, an empty folder lies over the first
// closed one on the way to the testbed's folder, or over that, and likewise over
// the cache. Of what is below them the driver's own folder is bound back, and file by file, for reading
// only, what a machine boots from (lend). So a QEMU finds there neither the
// testbed's keys, nor other testbeds, nor the root tree beside an image's disk.

// covers are the folders to cover, by their real paths.
func (d *daemon) covers() ([]string, error) {
	own := filepath.Dir(d.dir)
	real, err := realDir(own)
	if err != nil {
		return nil, err
	}
	ways := []string{real, own} // a link on the way may be closed in itself
	if d.shared != "" {
		cache, err := realDir(d.shared)
		if err != nil {
			return nil, err
		}
		ways = append(ways, cache)
	}
	var found []string
	for _, dir := range ways {
		at, err := realDir(firstClosed(dir))
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(found, func(f string) bool { return within(at, f) }) {
			continue
		}
		found = append(slices.DeleteFunc(found, func(f string) bool { return within(f, at) }), at)
	}
	return found, nil
}

func realDir(dir string) (string, error) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", lang.Errorf("finding the folder %s: %w", "폴더 %s 찾기: %w", dir, err)
	}
	return real, nil
}

// firstClosed is the first folder on the way to dir that others may not pass,
// or dir itself.
func firstClosed(dir string) string {
	at := "/"
	for _, name := range strings.Split(strings.Trim(dir, "/"), "/") {
		at = filepath.Join(at, name)
		if fi, err := os.Stat(at); err == nil && fi.Mode().Perm()&0o001 == 0 {
			return at
		}
	}
	return dir
}

// canLend says whether QEMU can be shown a file of the host where it lies.
func (d *daemon) canLend(file string) bool {
	fi, err := os.Stat(file)
	if err != nil || fi.Mode().Perm()&0o004 == 0 {
		return false
	}
	if within(file, "/run") || slices.ContainsFunc(bound, func(b boundDir) bool { return within(file, b.over) }) {
		return false
	}
	covers, err := d.covers()
	return err == nil && slices.ContainsFunc(covers, func(c string) bool { return within(file, c) }) || readableByAll(file)
}

// lend shows files to libvirtd and QEMU where they lie. One that is seen there
// already is left alone, and so are all by a libvirtd of an earlier nori, which
// covers nothing.
func (d *daemon) lend(ctx context.Context, files ...string) error {
	unlock, err := filelock.Lock(ctx, d.path("lock"), lang.Text{
		EN: "another nori to be done with the testbed's libvirtd", KO: "다른 nori가 테스트베드의 libvirtd 작업을 끝내기",
	}, nil)
	if err != nil {
		return err
	}
	defer unlock()
	pid, err := d.pid()
	if err != nil {
		return err
	}
	files = slices.DeleteFunc(slices.Clone(files), func(file string) bool {
		here, err := os.Stat(file)
		there, terr := os.Stat(fmt.Sprintf("/proc/%d/root%s", pid, file))
		return file == "" || err != nil || terr == nil && os.SameFile(here, there)
	})
	if len(files) == 0 {
		return nil
	}
	args := append([]string{"--mount=/proc/" + strconv.Itoa(pid) + "/ns/mnt", "/bin/sh", "-c", lendScript, "nori-lend"}, files...)
	cmd := exec.CommandContext(ctx, "nsenter", args...)
	cmd.Env = daemonEnv()
	if out, err := cmd.CombinedOutput(); err != nil {
		return lang.Errorf("showing QEMU the files that machines boot from: %w\n    %s", "머신이 부팅할 파일을 QEMU에 보이기: %w\n    %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// machineFiles are a machine's files, as its domain names them.
type machineFiles struct {
	// disk and console are QEMU's to write, hostKey to read; empty is none.
	disk, console, hostKey string
	// shared are the ones that it reads and other machines do, too.
	shared []string
}

func filesOf(x libvirtxml.Domain) (f machineFiles) {
	if x.OS != nil {
		f.shared = append(f.shared, x.OS.Kernel, x.OS.Initrd)
	}
	for _, s := range x.SysInfo {
		if s.FWCfg != nil && len(s.FWCfg.Entry) > 0 {
			f.hostKey = s.FWCfg.Entry[0].File
		}
	}
	if x.Devices == nil {
		return f
	}
	for _, disk := range x.Devices.Disks {
		if disk.ReadOnly != nil {
			f.shared = append(f.shared, sourceFile(disk.Source))
			continue
		}
		f.disk = sourceFile(disk.Source)
		if disk.BackingStore != nil {
			f.shared = append(f.shared, sourceFile(disk.BackingStore.Source))
		}
	}
	for _, s := range x.Devices.Serials {
		if s.Source != nil && s.Source.File != nil {
			f.console = s.Source.File.Path
		}
	}
	return f
}

func sourceFile(s *libvirtxml.DomainDiskSource) string {
	if s == nil || s.File == nil {
		return ""
	}
	return s.File.File
}

// give makes a machine's own files QEMU's, also those that an earlier nori made
// for a QEMU that ran as root. Its console's file is made if it is not there:
// in the folder QEMU may make none.
func (d *daemon) give(f machineFiles) error {
	u, err := hostQEMUUser()
	if err != nil {
		// Then libvirtd is one that an earlier nori started, and its QEMU root.
		return nil //nolint:nilerr // see above
	}
	if f.console != "" {
		log, err := os.OpenFile(f.console, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err == nil {
			err = log.Close()
		}
		if err != nil {
			return lang.Errorf("making the console's file: %w", "콘솔 파일 만들기: %w", err)
		}
	}
	for _, own := range []struct {
		file string
		uid  int
		mode os.FileMode
	}{{f.disk, u.uid, 0o600}, {f.console, u.uid, 0o600}, {f.hostKey, 0, 0o640}} {
		if own.file == "" {
			continue
		}
		err := os.Lchown(own.file, own.uid, u.gid)
		if err == nil {
			err = os.Chmod(own.file, own.mode)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // libvirt says better what it lacks
			return lang.Errorf("giving QEMU its files: %w", "QEMU에 파일 주기: %w", err)
		}
	}
	return nil
}
