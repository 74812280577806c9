package nspawn

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
)

// completeScript runs inside the machine at every boot, before containerd. It
// opens what systemd-nspawn keeps closed and a node needs.
const completeScript = `#!/bin/sh
# Makes a whole node of this container.
set -u
# The agent sets network parameters, containers have their own. All others are the host's.
mount --bind /proc/sys/net /proc/sys/net 2>/dev/null && mount -o remount,bind,rw /proc/sys/net
# Volumes mounted later must show up in running pods (mount propagation).
mount --make-rshared /
# With cgroup v1 the controllers are mounted read-only. The machine sees only
# its own part of each, as it has a cgroup namespace.
while read -r _ dir kind _; do
	case $kind in cgroup) mount -o remount,bind,rw "$dir" ;; esac
done < /proc/mounts
# Programs that follow the kernel's log want this. The log is the host's, so they find
# nothing in it: whoever can open the device writes there.
[ -e /dev/kmsg ] || ln -s null /dev/kmsg
exit 0
`

const completeUnit = `[Unit]
Description=Open what a node needs and a container lacks
DefaultDependencies=no
After=systemd-journald.socket
Before=sysinit.target containerd.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/noriter-container

[Install]
WantedBy=sysinit.target
`

// networkConfig is for systemd-networkd; host0 is the card's name inside.
const networkConfig = `[Match]
Name=host0

[Link]
RequiredForOnline=no

[Network]
Address=%s/%d
Gateway=%s
LinkLocalAddressing=no
IPv6AcceptRA=no
LLDP=no
EmitLLDP=no
`

// writeFirstBoot writes what is the machine's own over the image, before its first boot.
func (m *node) writeFirstBoot(spec machine.Spec) error {
	tb := m.p.tb
	hostKey, ok := tb.HostKeys[spec.Name]
	if !ok || tb.AuthorizedKey == "" {
		return lang.Errorf("the testbed has no SSH host key for %s or no key of its own",
			"테스트베드에 %s의 SSH 호스트 키나 테스트베드 자신의 키가 없습니다", spec.Name)
	}
	id := m.p.tag("machine-id\x00" + spec.Name)[:32]
	gateway := tb.Subnet.Masked().Addr().Next()
	files := []struct {
		path    string
		mode    fs.FileMode
		content string
	}{
		{"etc/hostname", 0o644, spec.Name + "\n"},
		{"etc/machine-id", 0o444, id + "\n"},
		{"etc/hosts", 0o644, "127.0.0.1 localhost\n::1 localhost\n" + spec.Address.String() + " " + spec.Name + "\n"},
		{"etc/ssh/ssh_host_ed25519_key", 0o600, string(hostKey)},
		{"root/.ssh/authorized_keys", 0o600, strings.TrimSpace(tb.AuthorizedKey) + "\n"},
		{"etc/systemd/network/10-host0.network", 0o644, fmt.Sprintf(networkConfig, spec.Address, tb.Subnet.Bits(), gateway)},
		{"etc/systemd/system/noriter-container.service", 0o644, completeUnit},
		// The kernel's log is the host's; each machine keeping it would be noise.
		{"etc/systemd/journald.conf.d/20-container.conf", 0o644, "[Journal]\nReadKMsg=no\n"},
		{"usr/local/sbin/noriter-container", 0o755, completeScript},
	}
	for _, f := range files {
		if err := m.put(f.path, f.mode, f.content); err != nil {
			return err
		}
	}
	if err := m.link("/etc/systemd/system/noriter-container.service", "etc/systemd/system/sysinit.target.wants/noriter-container.service"); err != nil {
		return err
	}
	// Modules are the host's; the container has none of its kernel's.
	return m.link("/dev/null", "etc/systemd/system/systemd-modules-load.service")
}

func (m *node) put(path string, mode fs.FileMode, content string) error {
	if err := m.makeParents(path); err != nil {
		return err
	}
	target := filepath.Join(m.upper(), path)
	if err := os.WriteFile(target, []byte(content), mode); err != nil {
		return err
	}
	return os.Chmod(target, mode) // whatever the umask is
}

func (m *node) link(to, path string) error {
	if err := m.makeParents(path); err != nil {
		return err
	}
	return os.Symlink(to, filepath.Join(m.upper(), path))
}

// makeParents makes the folders above a file, each as the image has it: in an
// overlay the upper folder's mode counts.
func (m *node) makeParents(path string) error {
	dir := ""
	parts := strings.Split(filepath.Dir(path), "/")
	for _, part := range parts {
		dir = filepath.Join(dir, part)
		target := filepath.Join(m.upper(), dir)
		if _, err := os.Lstat(target); err == nil {
			continue
		}
		like := filepath.Join(m.p.image, dir)
		fi, err := os.Lstat(like)
		switch {
		case err == nil && fi.IsDir():
			err = mirrorDir(like, target)
		case err == nil:
			err = lang.Errorf("%s of the image is no folder", "이미지의 %s은(는) 폴더가 아닙니다", dir)
		default:
			mode := fs.FileMode(0o755)
			if part == ".ssh" {
				mode = 0o700
			}
			err = os.Mkdir(target, mode)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
