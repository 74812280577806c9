package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
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
		return fmt.Errorf("emptying the machine ID: %w", err)
	}
	for _, d := range []string{"var/log/journal", "var/lib/kubelet", "etc/kubernetes", "etc/cni/net.d", "usr/local/bin", "usr/local/sbin"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return fmt.Errorf("making %s: %w", d, err)
		}
	}
	return markUpdated(root)
}

func removeGlob(root, glob string) error {
	matches, err := filepath.Glob(filepath.Join(root, glob))
	if err != nil {
		return fmt.Errorf("looking for %s: %w", glob, err)
	}
	for _, m := range matches {
		if err := os.RemoveAll(m); err != nil {
			return fmt.Errorf("removing %s: %w", m, err)
		}
	}
	return nil
}

func writeOverlay(r recipe, root string) error {
	for p, content := range r.Files {
		target := filepath.Join(root, p)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return fmt.Errorf("writing %s: %w", p, err)
		}
		if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("replacing %s: %w", p, err)
		}
		if err := os.WriteFile(target, []byte(content), 0o644); err != nil {
			return fmt.Errorf("writing %s: %w", p, err)
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
			return fmt.Errorf("linking %s: %w", name, err)
		}
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("linking %s: %w", name, err)
		}
		if err := os.Symlink(target, p); err != nil {
			return fmt.Errorf("linking %s: %w", name, err)
		}
	}
	return nil
}

// markUpdated tells ConditionNeedsUpdate= (systemd.unit(5)) that /etc and
// /var belong to this /usr, so that no boot brings them up to date.
func markUpdated(root string) error {
	usr, err := os.Stat(filepath.Join(root, "usr"))
	if err != nil {
		return fmt.Errorf("marking the root as up to date: %w", err)
	}
	for _, d := range []string{"etc/.updated", "var/.updated"} {
		p := filepath.Join(root, d)
		content := fmt.Sprintf("# systemd-update-done\nTIMESTAMP_NSEC=%d\n", usr.ModTime().UnixNano())
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			return fmt.Errorf("marking the root as up to date: %w", err)
		}
		if err := os.Chtimes(p, time.Time{}, usr.ModTime()); err != nil {
			return fmt.Errorf("marking the root as up to date: %w", err)
		}
	}
	return nil
}

// keyFiles must be in a root that machines can boot from.
var keyFiles = []string{
	"usr/lib/systemd/systemd", "usr/sbin/sshd", "usr/bin/containerd", "usr/sbin/runc", "usr/lib/cni/bridge",
	"usr/sbin/nft", "usr/sbin/conntrack", "usr/bin/zstd", "usr/sbin/ip", "etc/ssh/sshd_config", "etc/machine-id",
	"etc/systemd/system/ssh.service",
}

// checkRoot says what a root lacks.
func checkRoot(root string) error {
	for _, f := range keyFiles {
		if _, err := os.Lstat(filepath.Join(root, f)); err != nil {
			return fmt.Errorf("checking the image's root: %w", err)
		}
	}
	keys, err := filepath.Glob(filepath.Join(root, "etc/ssh/ssh_host_*"))
	if err != nil {
		return fmt.Errorf("checking the image's root: %w", err)
	}
	if len(keys) > 0 {
		return fmt.Errorf("the image's root holds SSH host keys, which all machines would share: %v", keys)
	}
	_, err = installedPackages(root)
	return err
}

// installedPackages reads dpkg's records: "name version" of each package. One
// that is not wholly installed is an error.
func installedPackages(root string) ([]string, error) {
	b, err := os.ReadFile(filepath.Join(root, "var/lib/dpkg/status"))
	if err != nil {
		return nil, fmt.Errorf("reading the image's packages: %w", err)
	}
	var list []string
	for stanza := range strings.SplitSeq(string(b), "\n\n") {
		fields := map[string]string{}
		for line := range strings.Lines(stanza) {
			if k, v, ok := strings.Cut(line, ": "); ok && k != "" && k[0] != ' ' {
				fields[k] = strings.TrimSpace(v)
			}
		}
		if fields["Package"] == "" {
			continue
		}
		if s := fields["Status"]; s != "install ok installed" {
			return nil, fmt.Errorf("package %s of the image is %q, not installed", fields["Package"], s)
		}
		list = append(list, fields["Package"]+" "+fields["Version"])
	}
	if len(list) == 0 {
		return nil, errors.New("the image's root has no packages")
	}
	slices.Sort(list)
	return list, nil
}

// kernelVersion gives the one kernel whose modules the root has.
func kernelVersion(root string) (string, error) {
	dirs, err := filepath.Glob(filepath.Join(root, "usr/lib/modules/*"))
	if err != nil {
		return "", fmt.Errorf("looking for the image's kernel: %w", err)
	}
	if len(dirs) != 1 {
		return "", fmt.Errorf("the image has %d kernels, not one: %v", len(dirs), dirs)
	}
	return filepath.Base(dirs[0]), nil
}
