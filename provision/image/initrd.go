package image

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"

	"noriter.dev/noriter/internal/lang"
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
		return lang.Errorf("taking the kernel out of the root: %w", "루트에서 커널 꺼내기: %w", err)
	}
	if err := removeGlob(root, "boot/*"); err != nil {
		return err
	}
	if err := expandModules(ctx, r, root, version); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(work, "initrd"))
	if err != nil {
		return lang.Errorf("making the initrd: %w", "initrd 만들기: %w", err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	if err := writeInitrd(ctx, w, r, root, version); err != nil {
		return lang.Errorf("making the initrd: %w", "initrd 만들기: %w", err)
	}
	if err := w.Flush(); err != nil {
		return lang.Errorf("making the initrd: %w", "initrd 만들기: %w", err)
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
