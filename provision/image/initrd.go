package image

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"noriter.dev/noriter/provision/machine"
)

// initScript is the whole initrd: the few drivers, the root, and over to it.
// Debian's own takes half a minute under emulation for the same.
const initScript = `#!/bin/busybox sh
# Loads the disk's driver, mounts the root and hands over to systemd.
b=/bin/busybox
$b mount -t devtmpfs devtmpfs /dev
$b mount -t proc proc /proc
for m in @MODULES@; do $b insmod /modules/$m.ko; done
root=/dev/vda
flags=noatime,noinit_itable
parcel=
read -r line < /proc/cmdline
for word in $line; do
	case $word in
	root=*) root=${word#root=} ;;
	rootflags=*) flags=${word#rootflags=} ;;
	noriter.parcel=*) parcel=${word#noriter.parcel=} ;;
	esac
done
n=0
while [ ! -b "$root" ]; do
	n=$((n + 1))
	if [ $n -gt 300 ]; then echo "initrd: no root device $root after 30 s"; exit 1; fi
	$b usleep 100000
done
$b mount -t ext4 -o "rw,$flags" "$root" /root || { echo "initrd: $root can not be mounted"; exit 1; }
# The parcel was there as soon as the root was. Without it, files are sent.
if [ -n "$parcel" ]; then
	$b mkdir -p /root@PARCEL@
	$b mount -t ext4 -o ro,noatime "$parcel" /root@PARCEL@ || echo "initrd: $parcel can not be mounted"
fi
$b umount /proc
$b mount -o move /dev /root/dev
exec $b switch_root /root /sbin/init "$@"
`

// makeBootFiles moves the kernel out of the root and makes the initrd.
func makeBootFiles(ctx context.Context, r recipe, root, work string) error {
	version, err := kernelVersion(root)
	if err != nil {
		return err
	}
	boot := filepath.Join(root, "boot")
	if err := os.Rename(filepath.Join(boot, "vmlinuz-"+version), filepath.Join(work, "vmlinuz")); err != nil {
		return fmt.Errorf("taking the kernel out of the root: %w", err)
	}
	if err := removeGlob(root, "boot/*"); err != nil {
		return err
	}
	if err := expandModules(ctx, r, root, version); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(work, "initrd"))
	if err != nil {
		return fmt.Errorf("making the initrd: %w", err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	if err := writeInitrd(ctx, w, r, root, version); err != nil {
		return fmt.Errorf("making the initrd: %w", err)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("making the initrd: %w", err)
	}
	return f.Close()
}

func writeInitrd(ctx context.Context, w io.Writer, r recipe, root, version string) error {
	c := &cpio{w: w}
	for _, d := range []string{"bin", "dev", "proc", "root", "modules"} {
		c.add(d, 0o40755, 0, nil)
	}
	c.add("dev/console", 0o20600, 5<<8|1, nil)
	busybox, err := os.ReadFile(filepath.Join(root, "usr/bin/busybox"))
	if err != nil {
		return err
	}
	c.add("bin/busybox", 0o100755, 0, busybox)
	for _, m := range r.Modules {
		ko, err := module(ctx, root, version, m)
		if err != nil {
			return err
		}
		c.add("modules/"+m+".ko", 0o100644, 0, ko)
	}
	script := strings.NewReplacer("@MODULES@", strings.Join(r.Modules, " "), "@PARCEL@", machine.ParcelDir).Replace(initScript)
	c.add("init", 0o100755, 0, []byte(script))
	c.add("TRAILER!!!", 0, 0, nil)
	return c.err
}

// module finds a kernel module in the root and gives its content, unpacked.
func module(ctx context.Context, root, version, name string) ([]byte, error) {
	base := filepath.Join(root, "usr/lib/modules", version)
	deps, err := os.ReadFile(filepath.Join(base, "modules.dep"))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(deps)) {
		file, _, _ := strings.Cut(line, ":")
		if found, _, _ := strings.Cut(path.Base(file), "."); found != name {
			continue
		}
		return readModule(ctx, root, path.Join("/usr/lib/modules", version, file))
	}
	return nil, fmt.Errorf("kernel %s has no module %s", version, name)
}

// readModule gives a module's content; inRoot is its path inside the root.
func readModule(ctx context.Context, root, inRoot string) ([]byte, error) {
	if strings.HasSuffix(inRoot, ".ko") {
		return os.ReadFile(filepath.Join(root, inRoot))
	}
	out, err := inChroot(ctx, root, "/usr/lib/apt/apt-helper", "cat-file", inRoot)
	if err != nil {
		return nil, fmt.Errorf("unpacking module %s: %w", inRoot, err)
	}
	if !bytes.HasPrefix(out, []byte("\x7fELF")) {
		return nil, fmt.Errorf("module %s is not an ELF file when unpacked", inRoot)
	}
	return out, nil
}

// expandModules unpacks the modules that machines load at every boot.
func expandModules(ctx context.Context, r recipe, root, version string) error {
	base := path.Join("/usr/lib/modules", version)
	deps, err := os.ReadFile(filepath.Join(root, base, "modules.dep"))
	if err != nil {
		return fmt.Errorf("unpacking modules: %w", err)
	}
	for line := range strings.Lines(string(deps)) {
		file, _, _ := strings.Cut(line, ":")
		plain, packed := strings.CutSuffix(file, ".xz")
		wanted := slices.ContainsFunc(r.Expanded, func(p string) bool { return strings.HasPrefix(file, "kernel/"+p) })
		if !packed || !wanted {
			continue
		}
		ko, err := readModule(ctx, root, path.Join(base, file))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(root, base, plain), ko, 0o644); err != nil {
			return fmt.Errorf("unpacking modules: %w", err)
		}
		if err := os.Remove(filepath.Join(root, base, file)); err != nil {
			return fmt.Errorf("unpacking modules: %w", err)
		}
	}
	if _, err := inChroot(ctx, root, "/usr/sbin/depmod", version); err != nil {
		return fmt.Errorf("listing the unpacked modules: %w", err)
	}
	return nil
}

// inChroot runs a program of the root in it: the host need not have its like.
func inChroot(ctx context.Context, root, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	cmd.Dir = "/"
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s in the image's root: %w\n%s", path.Base(name), err, tail(stderr.String(), 5))
	}
	return out.Bytes(), nil
}

// cpio writes the "newc" archive that the kernel unpacks
// (Documentation/driver-api/early-userspace/buffer-format.rst).
type cpio struct {
	w   io.Writer
	ino int
	err error
}

// add writes one entry; dev is major<<8|minor of a device node.
func (c *cpio) add(name string, mode, dev int, content []byte) {
	c.ino++
	c.printf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		c.ino, mode, 0, 0, 1, 0, len(content), 0, 0, dev>>8, dev&0xff, len(name)+1, 0)
	c.printf("%s\x00%s", name, strings.Repeat("\x00", (4-(110+len(name)+1)%4)%4))
	c.printf("%s%s", content, strings.Repeat("\x00", (4-len(content)%4)%4))
}

func (c *cpio) printf(format string, args ...any) {
	if c.err == nil {
		_, c.err = fmt.Fprintf(c.w, format, args...)
	}
}
