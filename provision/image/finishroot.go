package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"noriter.dev/noriter/internal/lang"
)

// finishRoot lays our files over the packages' root and takes away what each
// machine must have of its own (host keys, host name, machine ID) or never needs.
func finishRoot(r recipe, root string) error {
	for _, glob := range []string{
		"etc/ssh/ssh_host_*", "etc/hostname", "etc/resolv.conf", "etc/fstab",
		"etc/systemd/system/*.wants", "etc/ssh/sshd_config.d", "etc/ssh/moduli",
		"var/lib/apt/lists/*", "var/cache/apt/*", "var/log/*", "var/cache/ldconfig/*",
		// D-Bus starts it when somebody asks for a reboot; no session needs it.
		"usr/lib/systemd/system/multi-user.target.wants/systemd-logind.service",
		"var/lib/dpkg/*-old", "var/cache/debconf/*-old", "vmlinuz*", "initrd.img*",
	} {
		if err := removeGlob(root, glob); err != nil {
			return err
		}
	}
	if err := writeOverlay(r, root); err != nil {
		return err
	}
	if err := linkUnits(r, root); err != nil {
		return err
	}
	// An empty ID is given at the first boot without the questions of one.
	if err := os.WriteFile(filepath.Join(root, "etc/machine-id"), nil, 0o444); err != nil {
		return lang.Errorf("emptying the machine ID: %w", "머신 ID 비우기: %w", err)
	}
	for _, d := range []string{"var/log/journal", "var/lib/kubelet", "etc/kubernetes", "etc/cni/net.d", "usr/local/bin", "usr/local/sbin"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return lang.Errorf("making %s: %w", "%s 만들기: %w", d, err)
		}
	}
	return markUpdated(root)
}

func removeGlob(root, glob string) error {
	matches, err := filepath.Glob(filepath.Join(root, glob))
	if err != nil {
		return lang.Errorf("looking for %s: %w", "%s 찾기: %w", glob, err)
	}
	for _, m := range matches {
		if err := os.RemoveAll(m); err != nil {
			return lang.Errorf("removing %s: %w", "%s 제거: %w", m, err)
		}
	}
	return nil
}

func writeOverlay(r recipe, root string) error {
	for p, content := range r.Files {
		target := filepath.Join(root, p)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return lang.Errorf("writing %s: %w", "%s 쓰기: %w", p, err)
		}
		if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return lang.Errorf("replacing %s: %w", "%s 교체: %w", p, err)
		}
		if err := os.WriteFile(target, []byte(content), 0o644); err != nil {
			return lang.Errorf("writing %s: %w", "%s 쓰기: %w", p, err)
		}
	}
	return nil
}

// wanted are the units that start at boot beside systemd's own. containerd is
// not among them: the cluster's installer configures it first, and what it
// starts anyway need not start twice.
var wanted = map[string]string{
	"multi-user.target.wants/ssh.service":                 "/etc/systemd/system/ssh.service",
	"multi-user.target.wants/systemd-networkd.service":    "/usr/lib/systemd/system/systemd-networkd.service",
	"sockets.target.wants/systemd-networkd.socket":        "/usr/lib/systemd/system/systemd-networkd.socket",
	"dbus-org.freedesktop.network1.service":               "/usr/lib/systemd/system/systemd-networkd.service",
	"sshd.service":                                        "/etc/systemd/system/ssh.service",
	"default.target":                                      "/usr/lib/systemd/system/multi-user.target",
	"sysinit.target.wants/systemd-modules-load.service":   "/usr/lib/systemd/system/systemd-modules-load.service",
	"sysinit.target.wants/systemd-journald.service":       "/usr/lib/systemd/system/systemd-journald.service",
	"sysinit.target.wants/systemd-tmpfiles-setup.service": "/usr/lib/systemd/system/systemd-tmpfiles-setup.service",
}

func linkUnits(r recipe, root string) error {
	links := map[string]string{}
	for name, target := range wanted {
		links["etc/systemd/system/"+name] = target
	}
	for _, u := range r.Masked {
		links["etc/systemd/system/"+u] = "/dev/null"
	}
	for _, g := range r.Generators {
		links["etc/systemd/system-generators/"+g] = "/dev/null"
	}
	for _, rule := range r.UdevRules {
		links["etc/udev/rules.d/"+rule+".rules"] = "/dev/null"
	}
	for name, target := range links {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return lang.Errorf("linking %s: %w", "%s 링크 만들기: %w", name, err)
		}
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return lang.Errorf("linking %s: %w", "%s 링크 만들기: %w", name, err)
		}
		if err := os.Symlink(target, p); err != nil {
			return lang.Errorf("linking %s: %w", "%s 링크 만들기: %w", name, err)
		}
	}
	return nil
}

// epoch is the time of what would otherwise tell when an image was made: the same
// recipe and the same packages make the same image.
var epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// markUpdated tells ConditionNeedsUpdate= (systemd.unit(5)) that /etc and
// /var belong to this /usr, so that no boot brings them up to date.
func markUpdated(root string) error {
	content := fmt.Sprintf("# systemd-update-done\nTIMESTAMP_NSEC=%d\n", epoch.UnixNano())
	for _, d := range []string{"etc/.updated", "var/.updated"} {
		if err := os.WriteFile(filepath.Join(root, d), []byte(content), 0o644); err != nil {
			return lang.Errorf("marking the root as up to date: %w", "루트에 최신 상태 표시: %w", err)
		}
	}
	for _, d := range []string{"usr", "etc/.updated", "var/.updated"} {
		if err := os.Chtimes(filepath.Join(root, d), time.Time{}, epoch); err != nil {
			return lang.Errorf("marking the root as up to date: %w", "루트에 최신 상태 표시: %w", err)
		}
	}
	return nil
}
