package libvirt

import (
	"os"

	"noriter.dev/noriter/internal/lang"
)

// layOut makes the folders and the configuration.
func (d *daemon) layOut(u qemuUser) error {
	for _, b := range bound {
		err := os.MkdirAll(d.source(b.name), 0o755)
		if err == nil {
			err = os.Chmod(d.source(b.name), b.mode)
		}
		if err != nil {
			return lang.Errorf("making libvirtd's folders: %w", "libvirtd의 폴더 만들기: %w", err)
		}
	}
	// QEMU passes it on its way to the disks, and sees nothing on it.
	err := os.Chown(d.dir, 0, u.gid)
	if err == nil {
		err = os.Chmod(d.dir, 0o710)
	}
	if err != nil {
		return lang.Errorf("closing the driver's folder to others: %w", "드라이버 폴더를 다른 사용자에게 닫기: %w", err)
	}
	for name, content := range map[string]string{"libvirtd.conf": libvirtdConf, "qemu.conf": qemuConf(u), "virtlogd.conf": virtlogdConf} {
		if err := writeFile(d.path("etc", name), []byte(content)); err != nil {
			return lang.Errorf("writing libvirtd's configuration: %w", "libvirtd의 설정 쓰기: %w", err)
		}
	}
	return nil
}

// startArgs are those of startScript.
func (d *daemon) startArgs() ([]string, error) {
	var args []string
	for _, b := range bound {
		args = append(args, d.source(b.name), b.over)
	}
	real, err := realDir(d.dir)
	if err != nil {
		return nil, err
	}
	covers, err := d.covers()
	return append(append(args, "--", real, d.dir), covers...), err
}

// daemonEnv is the environment of what is run for libvirtd.
func daemonEnv() []string {
	return append(os.Environ(), "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C")
}
