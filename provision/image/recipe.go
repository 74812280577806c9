package image

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
)

// recipeVersion is raised when the code that finishes the root changes what
// comes out, which the data below would not show.
const recipeVersion = 5

// overlayFiles is laid over the packages' root, path for path.
//
//go:embed all:overlay
var overlayFiles embed.FS

// recipe is all that decides what an image holds. Two recipes with equal
// content have the same ID; Debian's own updates don't change it.
type recipe struct {
	Version  int
	Suite    string
	Packages []string
	// Masked units never start: each costs time at every boot of every
	// machine, and none does anything that a testbed needs.
	Masked []string
	// Generators run at each boot before any unit; the ones named don't.
	Generators []string
	// UdevRules are switched off likewise.
	UdevRules []string
	// Modules are loaded by the initrd, in this order.
	Modules []string
	// Expanded are the beginnings of paths of kernel modules that are kept
	// unpacked: an emulated machine takes seconds to unpack what it loads.
	Expanded []string
	// Files maps a path in the root to its content.
	Files map[string]string
}

func defaultRecipe() recipe {
	return recipe{
		Version: recipeVersion,
		Suite:   "trixie",
		Packages: []string{
			"systemd", "systemd-sysv", "udev", "dbus", "kmod",
			"openssh-server", "openssh-sftp-server", "ca-certificates",
			"containerd", "runc", "containernetworking-plugins",
			"nftables", "iptables", "iproute2", "iputils-ping", "conntrack", "curl", "ethtool",
			"zstd", "procps", "less", "vim-tiny", "busybox-static",
			"linux-image-cloud-" + runtime.GOARCH, "initramfs-tools",
		},
		Masked: []string{
			"apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer",
			"e2scrub_all.timer", "e2scrub_reap.service", "systemd-tmpfiles-clean.timer",
			"getty.target", "getty@.service", "serial-getty@.service", "console-getty.service", "container-getty@.service",
			"sshd-keygen.service", "ssh.socket", "systemd-hostnamed.socket", "systemd-user-sessions.service",
			"systemd-networkd-wait-online.service", "systemd-network-generator.service",
			"systemd-networkd-persistent-storage.service",
			"systemd-firstboot.service", "systemd-sysusers.service", "systemd-update-done.service",
			"systemd-hwdb-update.service", "systemd-journal-catalog-update.service", "ldconfig.service",
			"systemd-random-seed.service", "systemd-udev-load-credentials.service",
			"systemd-pstore.service", "systemd-binfmt.service", "proc-sys-fs-binfmt_misc.automount",
			"systemd-hibernate-clear.service", "systemd-pcrmachine.service", "systemd-pcrphase.service",
			"systemd-pcrphase-sysinit.service", "systemd-tpm2-setup.service", "systemd-tpm2-setup-early.service",
			"systemd-pcrextend.socket", "systemd-pcrlock.socket", "systemd-creds.socket", "systemd-sysext.socket",
			"systemd-ask-password-console.path", "systemd-ask-password-wall.path", "systemd-initctl.socket",
			"dev-hugepages.mount", "dev-mqueue.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount",
			"sys-kernel-config.mount", "sys-fs-fuse-connections.mount", "tmp.mount", "run-lock.mount",
			"modprobe@.service", "kmod-static-nodes.service", "remote-fs.target",
		},
		Generators: []string{
			"systemd-getty-generator", "systemd-gpt-auto-generator", "systemd-hibernate-resume-generator",
			"systemd-rc-local-generator", "systemd-ssh-generator", "systemd-system-update-generator",
			"systemd-sysv-generator", "systemd-tpm2-generator", "systemd-fstab-generator",
		},
		UdevRules: []string{
			"50-firmware", "60-autosuspend", "60-cdrom_id", "60-dmi-id", "60-drm", "60-evdev", "60-fido-id", "60-infiniband",
			"60-input-id", "60-persistent-alsa", "60-persistent-input", "60-persistent-storage-mtd",
			"60-persistent-storage-tape", "60-persistent-storage", "60-persistent-v4l", "60-sensor", "60-serial", "64-btrfs",
			"70-camera", "70-joystick", "70-memory", "70-mouse", "70-power-switch", "70-touchpad", "70-uaccess",
			"71-seat", "73-seat-late", "73-special-net-names", "75-net-description", "75-probe_mtd",
			"78-sound-card", "81-net-dhcp", "90-iocost",
		},
		// virtio_blk carries the root; with virtio_net there as well, udev
		// has no driver to look for.
		Modules: []string{"virtio_blk", "failover", "net_failover", "virtio_net"},
		Expanded: []string{
			"net/netfilter/", "net/ipv4/netfilter/", "net/ipv6/netfilter/", "net/bridge/", "net/802/", "net/llc/",
			"fs/overlayfs/", "drivers/net/veth", "drivers/net/vxlan/", "drivers/virtio/", "drivers/char/hw_random/",
			"lib/", "crypto/crc32c",
		},
		Files: overlayContent(),
	}
}

// id is the recipe's name: a hash of everything in it.
func (r recipe) id() string {
	r.Packages, r.Masked = sorted(r.Packages), sorted(r.Masked)
	b, err := json.Marshal(r) // maps are written in order of their keys
	if err != nil {
		panic("image: a recipe of strings can't fail to encode: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:6])
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

// overlayContent reads the embedded files. They are part of the program, so
// an error is a mistake in it, found by the first test.
func overlayContent() map[string]string {
	files := map[string]string{}
	err := fs.WalkDir(overlayFiles, "overlay", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := overlayFiles.ReadFile(p)
		files[path.Clean("/"+p[len("overlay"):])] = string(b)
		return err
	})
	if err != nil {
		panic(fmt.Sprintf("image: embedded files: %v", err))
	}
	return files
}
