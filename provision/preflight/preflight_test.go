package preflight_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/libvirt"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/nspawn"
	. "noriter.dev/noriter/provision/preflight"
)

// host is one that is only pretended: what the checks ask, and what each
// driver's ask beside that.
type host struct {
	Host
	virtual   libvirt.Probes
	container nspawn.Probes
}

// drivers are the ways to make machines, by the names that the cases use.
func (h *host) drivers(which string) []Driver {
	virtual, container := libvirt.Preflight(h.virtual), nspawn.Preflight(h.container)
	virtual.LessMemory, container.LessMemory = "nori up --driver nspawn", "nori up --nodes 1"
	switch which {
	case "libvirt":
		return []Driver{virtual}
	case "nspawn":
		return []Driver{container}
	}
	return []Driver{virtual, container}
}

func all(o Options, h host) []Check {
	o.Host = &h.Host
	return All(o)
}

func forUp(o Options, h host) []Check {
	o.Host = &h.Host
	return ForUp(o)
}

// goodHost is one on which every check holds; cases break one thing each.
func goodHost(t *testing.T) host {
	t.Helper()
	root := t.TempDir()
	h := host{Host: Host{
		Root: root, EUID: 0, Arch: "amd64",
		Now:    func() time.Time { return time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC) },
		CPUs:   func() int { return 4 },
		Look:   func(p string) (string, error) { return "/usr/bin/" + p, nil },
		Run:    func(context.Context, string, ...string) error { return nil },
		Free:   func(string) (uint64, error) { return 100 << 30, nil },
		Bridge: func() error { return nil },
		Links: func() (map[string][]netip.Prefix, error) {
			return map[string][]netip.Prefix{"lo": {netip.MustParsePrefix("127.0.0.1/8")}, "eth0": {netip.MustParsePrefix("192.0.2.7/24")}}, nil
		},
		Routes:   func() ([]netip.Prefix, error) { return []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, nil },
		LinkMark: func(string) string { return "" }, NamespaceMark: func(string) string { return "" },
	}}
	h.virtual = libvirt.Probes{
		KVM:         func(context.Context) (bool, lang.Text) { return true, said("a guest ran to its end") },
		Connect:     func(context.Context, string) error { return nil },
		Clashes:     func(context.Context, string, string, string) ([]string, error) { return nil, nil },
		ClosedChain: func() (string, error) { return "", nil },
		QEMUUser:    func() error { return nil },
	}
	h.container = nspawn.Probes{Overlay: func(string) error { return nil }, Users: func(string) error { return nil }, Rules: func(context.Context, string) error { return nil }}
	h.put(t, "etc/os-release", "ID=debian\nVERSION_ID=12\nPRETTY_NAME=Debian\n")
	h.put(t, "proc/sys/kernel/osrelease", "6.1.0-18-amd64\n")
	h.put(t, "proc/self/uid_map", "         0          0 4294967295\n")
	h.put(t, "proc/self/status", "Name:\tnori\nCapEff:\t000001ffffffffff\n")
	h.put(t, "proc/1/comm", "systemd\n")
	h.put(t, "proc/1/environ", "HOME=/\x00TERM=linux\x00")
	h.put(t, "proc/meminfo", "MemTotal: 16000000 kB\nMemAvailable:   12000000 kB\n")
	h.put(t, "proc/cpuinfo", "flags\t: fpu vmx sse2\n")
	h.put(t, "proc/filesystems", "nodev\tsysfs\nnodev\toverlay\n\text4\n")
	h.put(t, "sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory hugetlb pids\n")
	h.put(t, "run/systemd/system/.keep", "")
	return h
}

// said is a text that is only told apart by its English.
func said(en string) lang.Text { return lang.Text{EN: en, KO: en} }

func (h host) put(t *testing.T, path, content string) {
	t.Helper()
	p := filepath.Join(h.Root, path)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (h host) remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(h.Root, path)); err != nil {
		t.Fatal(err)
	}
}

func options() Options {
	return Options{
		Testbed: "demo", Dir: "/var/lib/noriter/demo", Subnet: netip.MustParsePrefix("10.77.0.0/24"),
		StateDir: "/var/lib/noriter", MachinesMiB: []int{1536, 768, 768},
	}
}

func TestGoodHost(t *testing.T) {
	for _, driver := range []string{"auto", "libvirt", "nspawn"} {
		for _, isolated := range []bool{false, true} {
			o := options()
			h := goodHost(t)
			o.Drivers, o.Isolated = h.drivers(driver), isolated
			seen := map[string]bool{}
			for _, c := range all(o, h) {
				r := c.Run(t.Context())
				if r.Status != OK {
					t.Errorf("%s, isolated %v: %s: %s %s", driver, isolated, c.ID, r.Status, r.Seen.EN)
				}
				if r.Seen.EN == "" || r.Seen.KO == "" || c.Title.EN == "" || c.Title.KO == "" {
					t.Errorf("%s: a text is missing: %+v %+v", c.ID, c.Title, r.Seen)
				}
				if seen[c.ID] {
					t.Errorf("%s comes twice", c.ID)
				}
				seen[c.ID] = true
			}
			if seen["nspawn"] != (driver != "libvirt") || seen["libvirt"] != (driver != "nspawn") {
				t.Errorf("%s is asked %v", driver, seen)
			}
			if err := Must(t.Context(), forUp(o, goodHost(t))); err != nil {
				t.Error(err)
			}
		}
	}
}

func without(programs ...string) func(string) (string, error) {
	return func(p string) (string, error) {
		for _, x := range programs {
			if p == x {
				return "", os.ErrNotExist
			}
		}
		return "/usr/bin/" + p, nil
	}
}

func TestBrokenHosts(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		name, id string
		driver   string
		spoil    func(t *testing.T, h *host, o *Options)
		want     Status
		seen     string
		remedy   string
		fix      string // the command the repair runs, "" for none
	}{
		{"clock of 1970", "time", "auto", func(_ *testing.T, h *host, _ *Options) {
			h.Now = func() time.Time { return time.Unix(0, 0) }
		}, Fail, "1970", "timedatectl", ""},
		{"not root for containers", "root", "nspawn", func(_ *testing.T, h *host, _ *Options) { h.EUID = 1000 }, Fail, "not root", "sudo", ""},
		{"not root, either", "root", "auto", func(_ *testing.T, h *host, _ *Options) { h.EUID = 1000 }, Warn, "not root", "sudo", ""},
		{"not root for libvirt", "root", "libvirt", func(_ *testing.T, h *host, _ *Options) { h.EUID = 1000 }, OK, "a service of the host makes", "", ""},
		{"not root for an isolated one", "root", "libvirt", func(_ *testing.T, h *host, o *Options) { h.EUID, o.Isolated = 1000, true }, Fail, "not root", "sudo", ""},
		{"one processor", "cpu", "auto", func(_ *testing.T, h *host, _ *Options) { h.CPUs = func() int { return 1 } }, Warn, "1", "", ""},
		{"fewer processors than asked for", "cpu", "nspawn", func(_ *testing.T, _ *host, o *Options) { o.CPUs = 5 }, Fail, "4; a machine is to have 5", "--node-cpus", ""},
		{"all processors", "cpu", "nspawn", func(_ *testing.T, _ *host, o *Options) { o.CPUs = 4 }, OK, "4", "", ""},
		{"fewer than a known testbed has", "cpu", "nspawn", func(_ *testing.T, _ *host, o *Options) { o.CPUs, o.Known = 5, true }, OK, "4", "", ""},
		{"little memory for VMs", "memory", "libvirt", func(t *testing.T, h *host, _ *Options) {
			h.put(t, "proc/meminfo", "MemAvailable: 2000000 kB\n")
		}, Fail, "1953 MiB", "nspawn", ""},
		{"enough for VMs with KVM", "memory", "libvirt", func(t *testing.T, h *host, _ *Options) {
			h.virtual.KVM = func(context.Context) (bool, lang.Text) { return true, said("") }
			h.put(t, "proc/meminfo", "MemAvailable: 5200000 kB\n")
		}, OK, "5078 MiB", "", ""},
		{"too little for emulated VMs", "memory", "libvirt", func(t *testing.T, h *host, _ *Options) {
			h.virtual.KVM = func(context.Context) (bool, lang.Text) { return false, said("/dev/kvm is not there") }
			h.put(t, "proc/meminfo", "MemAvailable: 5200000 kB\n")
		}, Fail, "need 5600 MiB", "nspawn", ""},
		{"the same for containers", "memory", "nspawn", func(t *testing.T, h *host, _ *Options) {
			h.put(t, "proc/meminfo", "MemAvailable: 2000000 kB\n")
		}, OK, "1953 MiB", "", ""},
		{"tight memory", "memory", "nspawn", func(t *testing.T, h *host, _ *Options) {
			h.put(t, "proc/meminfo", "MemAvailable: 1400000 kB\n")
		}, Warn, "tight", "", ""},
		{"no meminfo", "memory", "nspawn", func(t *testing.T, h *host, _ *Options) { h.remove(t, "proc/meminfo") }, Warn, "meminfo", "", ""},
		{"odd meminfo", "memory", "nspawn", func(t *testing.T, h *host, _ *Options) { h.put(t, "proc/meminfo", "x") }, Warn, "does not tell", "", ""},
		{"full disk", "disk", "auto", func(_ *testing.T, h *host, _ *Options) {
			h.Free = func(string) (uint64, error) { return 1 << 30, nil }
		}, Fail, "1.0 GiB free; 6 GiB", "df -h", ""},
		{"full disk of a known testbed", "disk", "auto", func(_ *testing.T, h *host, o *Options) {
			h.Free, o.Known = func(string) (uint64, error) { return 1 << 30, nil }, true
		}, Warn, "1.0 GiB", "df -h", ""},
		{"no mmdebstrap", "image", "auto", func(_ *testing.T, h *host, _ *Options) { h.Look = without("mmdebstrap") }, Fail, "mmdebstrap", "apt-get install mmdebstrap", "apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 mmdebstrap"},
		{"Ubuntu", "system", "auto", func(t *testing.T, h *host, _ *Options) {
			h.put(t, "etc/os-release", "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=24.04\nPRETTY_NAME=\"Ubuntu 24.04\"\n")
		}, Warn, "Ubuntu 24.04, amd64: not tried", "", ""},
		{"a Debian of arm64", "system", "auto", func(_ *testing.T, h *host, _ *Options) { h.Arch = "arm64" }, Warn, "arm64: not tried", "", ""},
		{"another processor", "system", "auto", func(_ *testing.T, h *host, _ *Options) { h.Arch = "riscv64" }, Fail, "nothing for this processor", "", ""},
		{"Arch", "system", "auto", func(t *testing.T, h *host, _ *Options) {
			h.put(t, "etc/os-release", "ID=arch\nPRETTY_NAME=Arch\n")
		}, Warn, "names of its packages are not known", "vagrant up", ""},
		{"Alpine", "system", "auto", func(t *testing.T, h *host, _ *Options) {
			h.put(t, "etc/os-release", "ID=alpine\n")
			h.put(t, "lib/ld-musl-x86_64.so.1", "")
		}, Fail, "musl", "vagrant up", ""},
		{"no name", "system", "auto", func(t *testing.T, h *host, _ *Options) { h.remove(t, "etc/os-release") }, Warn, "does not tell its name", "vagrant up", ""},
		{"no systemd", "init", "auto", func(t *testing.T, h *host, _ *Options) {
			h.remove(t, "run/systemd")
			h.put(t, "proc/1/comm", "runit\n")
		}, OK, "runit, not systemd", "", ""},
		{"WSL 1", "inside", "auto", func(t *testing.T, h *host, _ *Options) {
			h.put(t, "proc/sys/kernel/osrelease", "4.4.0-19041-Microsoft\n")
		}, Fail, "WSL 1", "wsl --set-version", ""},
		{"WSL 2", "inside", "auto", func(t *testing.T, h *host, _ *Options) {
			h.put(t, "proc/sys/kernel/osrelease", "5.15.90.1-microsoft-standard-WSL2\n")
		}, Warn, "nestedVirtualization", "", ""},
		{"WSL 2 without systemd", "inside", "auto", func(t *testing.T, h *host, _ *Options) {
			h.remove(t, "run/systemd")
			h.put(t, "proc/sys/kernel/osrelease", "5.15.90.1-microsoft-standard-WSL2\n")
		}, Warn, "without systemd", "/etc/wsl.conf", ""},
		{"Docker", "inside", "auto", func(t *testing.T, h *host, _ *Options) { h.put(t, ".dockerenv", "") }, Warn, "a container (docker)", "vagrant up", ""},
		{"a machine made from a container's image", "inside", "auto", func(t *testing.T, h *host, _ *Options) {
			h.put(t, ".dockerenv", "")
			h.put(t, "proc/self/mounts", "/dev/vda / ext4 rw 0 0\n")
		}, OK, "neither a container", "", ""},
		{"Podman", "inside", "auto", func(t *testing.T, h *host, _ *Options) { h.put(t, "run/.containerenv", "") }, Warn, "a container (podman)", "vagrant up", ""},
		{"LXC", "inside", "auto", func(t *testing.T, h *host, _ *Options) { h.put(t, "proc/1/environ", "a=b\x00container=lxc\x00") }, Warn, "a container (lxc)", "vagrant up", ""},
		{"nspawn around it", "inside", "auto", func(t *testing.T, h *host, _ *Options) {
			h.put(t, "run/systemd/container", "systemd-nspawn\n")
		}, Warn, "a container (systemd-nspawn)", "vagrant up", ""},
		{"old kernel", "kernel", "nspawn", func(t *testing.T, h *host, _ *Options) { h.put(t, "proc/sys/kernel/osrelease", "4.19.0-26-amd64\n") }, Fail, "too old", "uname -r", ""},
		{"a kernel just too old, but there are VMs", "kernel", "auto", func(t *testing.T, h *host, _ *Options) { h.put(t, "proc/sys/kernel/osrelease", "5.12\n") }, Warn, "too old", "uname -r", ""},
		{"a kernel just new enough", "kernel", "nspawn", func(t *testing.T, h *host, _ *Options) { h.put(t, "proc/sys/kernel/osrelease", "5.13-rc1\n") }, OK, "5.13", "", ""},
		{"a kernel of no version", "kernel", "nspawn", func(t *testing.T, h *host, _ *Options) { h.put(t, "proc/sys/kernel/osrelease", "x\n") }, Warn, "not known", "", ""},
		{"a container's root", "privileges", "nspawn", func(t *testing.T, h *host, _ *Options) {
			h.put(t, "proc/self/status", "CapEff:\t00000000a80425fb\n")
		}, Fail, "lacks CAP_NET_ADMIN, CAP_SYS_ADMIN", "--privileged", ""},
		{"root of a user namespace", "privileges", "auto", func(t *testing.T, h *host, _ *Options) {
			h.put(t, "proc/self/uid_map", "0 100000 65536\n")
		}, Warn, "user namespace", "--privileged", ""},
		{"SELinux", "selinux", "nspawn", func(t *testing.T, h *host, _ *Options) { h.put(t, "sys/fs/selinux/enforce", "1") }, Warn, "enforces", "setenforce 0", ""},
		{"SELinux that only tells", "selinux", "nspawn", func(t *testing.T, h *host, _ *Options) { h.put(t, "sys/fs/selinux/enforce", "0") }, OK, "does not enforce", "", ""},
		{"a kernel without sets", "nftables", "nspawn", func(_ *testing.T, h *host, _ *Options) {
			h.container.Rules = func(context.Context, string) error { return boom }
		}, Fail, "boom", "modprobe -a", ""},
		{"no nft to try it with", "nftables", "nspawn", func(_ *testing.T, h *host, _ *Options) { h.Look = without("nft") }, Warn, "nft is not installed", "apt-get install nftables", "apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 nftables"},
		{"a user namespace that AppArmor forbids", "image", "libvirt", func(t *testing.T, h *host, _ *Options) {
			h.EUID = 1000
			h.put(t, "proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n")
		}, Warn, "AppArmor", "sudo", ""},
		{"Fedora's names", "image", "auto", func(t *testing.T, h *host, _ *Options) {
			h.put(t, "etc/os-release", "ID=fedora\nVERSION_ID=43\n")
			h.Look = without("mmdebstrap")
		}, Fail, "mmdebstrap", "dnf install mmdebstrap", "dnf install -y mmdebstrap"},
		{"all of QEMU", "qemu", "libvirt", func(_ *testing.T, h *host, _ *Options) {
			h.Look = without("qemu-system-x86_64", "qemu-img")
		}, Fail, "qemu-system-x86_64 and qemu-img are not installed", "apt-get install qemu-system-x86 qemu-utils", "apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 qemu-system-x86 qemu-utils"},
		{"virtual machines on arm64", "guests", "libvirt", func(_ *testing.T, h *host, _ *Options) { h.Arch = "arm64" }, Fail, "amd64 alone", "--driver auto", ""},
		{"no mmdebstrap, no apt-get", "image", "auto", func(_ *testing.T, h *host, _ *Options) { h.Look = without("mmdebstrap", "apt-get") }, Fail, "mmdebstrap", "apt-get install mmdebstrap", ""},
		{"no mmdebstrap needed", "image", "auto", func(_ *testing.T, h *host, o *Options) {
			h.Look, o.ImageReady = without("mmdebstrap"), true
		}, OK, "not needed", "", ""},
		{"KVM opens but does not run", "kvm", "auto", func(_ *testing.T, h *host, _ *Options) {
			h.virtual.KVM = func(context.Context) (bool, lang.Text) {
				return false, said("/dev/kvm opens, but can't run guests: boom")
			}
		}, Warn, "can't run guests", "", ""},
		{"KVM forbidden", "kvm", "auto", func(_ *testing.T, h *host, _ *Options) {
			h.virtual.KVM = func(context.Context) (bool, lang.Text) { return false, said("/dev/kvm may not be opened by this user") }
		}, Warn, "may not be opened", "adduser", ""},
		{"KVM module not loaded", "kvm", "auto", func(_ *testing.T, h *host, _ *Options) {
			h.virtual.KVM = func(context.Context) (bool, lang.Text) { return false, said("/dev/kvm is not there") }
		}, Warn, "emulated", "modprobe kvm_intel", "modprobe kvm_intel"},
		{"KVM of no processor", "kvm", "auto", func(t *testing.T, h *host, _ *Options) {
			h.put(t, "proc/cpuinfo", "flags: sse2\n")
			h.virtual.KVM = func(context.Context) (bool, lang.Text) { return false, said("/dev/kvm is not there") }
		}, Warn, "firmware", "", ""},
		{"no QEMU", "qemu", "libvirt", func(_ *testing.T, h *host, _ *Options) { h.Look = without("qemu-system-x86_64") }, Fail, "qemu", "apt-get install qemu-system-x86", "apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 qemu-system-x86"},
		{"no QEMU, but containers do", "qemu", "auto", func(_ *testing.T, h *host, _ *Options) { h.Look = without("qemu-img") }, Warn, "qemu-img", "qemu-utils", "apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 qemu-utils"},
		{"no dnsmasq", "dhcp", "libvirt", func(_ *testing.T, h *host, _ *Options) { h.Look = without("dnsmasq") }, Fail, "dnsmasq", "dnsmasq-base", "apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 dnsmasq-base"},
		{"no libvirt", "libvirt", "libvirt", func(_ *testing.T, h *host, _ *Options) {
			h.Look, h.virtual.Connect = without("libvirtd"), func(context.Context, string) error { return boom }
		}, Fail, "boom", "libvirt-daemon-system", "apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 libvirt-daemon-system qemu-system-x86 qemu-utils dnsmasq-base"},
		{"libvirt forbidden", "libvirt", "libvirt", func(_ *testing.T, h *host, _ *Options) {
			h.virtual.Connect = func(context.Context, string) error {
				return &machine.HostError{What: "may not be used", Remedy: "adduser you libvirt"}
			}
		}, Fail, "may not be used", "adduser", "adduser"},
		{"libvirt asleep", "libvirt", "libvirt", func(_ *testing.T, h *host, _ *Options) {
			h.virtual.Connect = func(context.Context, string) error { return boom }
		}, Fail, "boom", "systemctl start libvirtd", "systemctl start libvirtd"},
		{"libvirt asleep, no systemd", "libvirt", "libvirt", func(t *testing.T, h *host, _ *Options) {
			h.remove(t, "run/systemd")
			h.virtual.Connect = func(context.Context, string) error { return boom }
		}, Fail, "boom", "--isolated", ""},
		{"an isolated one brings its own", "libvirt", "libvirt", func(_ *testing.T, h *host, o *Options) {
			o.Isolated = true
			h.virtual.Connect = func(context.Context, string) error { return boom }
		}, OK, "libvirtd", "", ""},
		{"an isolated one without a user for QEMU", "libvirt", "libvirt", func(_ *testing.T, h *host, o *Options) {
			o.Isolated = true
			h.virtual.QEMUUser = func() error { return &machine.HostError{What: "no user for QEMU", Remedy: "apt-get install it"} }
		}, Fail, "no user for QEMU", "apt-get install it", ""},
		{"remote libvirt", "libvirt", "libvirt", func(_ *testing.T, h *host, o *Options) {
			o.Connect = "qemu+ssh://big/system"
			h.virtual.Connect = func(context.Context, string) error {
				return &machine.HostError{What: "no connection", Remedy: "ssh big"}
			}
		}, Fail, "no connection", "ssh big", ""},
		{"a firewall that forwards nothing", "firewall", "libvirt", func(t *testing.T, h *host, _ *Options) {
			h.put(t, "proc/sys/net/bridge/bridge-nf-call-iptables", "1\n")
			h.virtual.ClosedChain = func() (string, error) { return "ip filter FORWARD", nil }
		}, Warn, "ip filter FORWARD", "--isolated", ""},
		{"one that bridges don't meet", "firewall", "libvirt", func(_ *testing.T, h *host, _ *Options) {
			h.virtual.ClosedChain = func() (string, error) { return "ip filter FORWARD", nil }
		}, OK, "don't pass", "", ""},
		{"no nspawn", "nspawn", "nspawn", func(_ *testing.T, h *host, _ *Options) { h.Look = without("systemd-nspawn") }, Fail, "nspawn", "systemd-container", "apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 systemd-container"},
		{"no overlay", "overlayfs", "nspawn", func(_ *testing.T, h *host, _ *Options) { h.container.Overlay = func(string) error { return boom } }, Fail, "boom", "modprobe overlay", "modprobe overlay"},
		{"no users of their own", "users", "nspawn", func(_ *testing.T, h *host, _ *Options) { h.container.Users = func(string) error { return boom } }, Warn, "root of this host: boom", "5.19", ""},
		{"no space for an overlay", "overlayfs", "nspawn", func(_ *testing.T, h *host, _ *Options) {
			h.container.Overlay = func(string) error { return fmt.Errorf("mkdir /x: %w", unix.ENOSPC) }
		}, Fail, "no space is left", "df -h", ""},
		{"no overlay, seen without root", "overlayfs", "nspawn", func(t *testing.T, h *host, _ *Options) {
			h.EUID = 1000
			h.put(t, "proc/filesystems", "nodev sysfs\n\text4\n")
		}, Fail, "does not list", "modprobe overlay", ""},
		{"cgroup without memory", "cgroup", "nspawn", func(t *testing.T, h *host, _ *Options) {
			h.put(t, "sys/fs/cgroup/cgroup.controllers", "cpuset cpu io pids\n")
		}, Fail, "lacks memory", "cgroup_enable", ""},
		{"cgroup version 1", "cgroup", "nspawn", func(t *testing.T, h *host, _ *Options) {
			h.remove(t, "sys/fs/cgroup/cgroup.controllers")
			for _, c := range []string{"cpu,cpuacct", "memory", "pids"} {
				h.put(t, "sys/fs/cgroup/"+c+"/tasks", "")
			}
		}, OK, "version 1", "", ""},
		{"no cgroup at all", "cgroup", "nspawn", func(t *testing.T, h *host, _ *Options) { h.remove(t, "sys") }, Fail, "lacks cpu", "/proc/cgroups", ""},
		{"no right to make a bridge", "bridge", "nspawn", func(_ *testing.T, h *host, _ *Options) {
			h.Bridge = func() error { return fmt.Errorf("a namespace: %w", unix.EPERM) }
		}, Fail, "operation not permitted", "--privileged", ""},
		{"no right to try rules", "nftables", "nspawn", func(_ *testing.T, h *host, _ *Options) {
			h.container.Rules = func(context.Context, string) error { return unix.EPERM }
		}, Fail, "operation not permitted", "--privileged", ""},
		{"no right to mount", "overlayfs", "auto", func(_ *testing.T, h *host, _ *Options) {
			h.container.Overlay = func(string) error { return unix.EPERM }
		}, Warn, "operation not permitted", "--privileged", ""},
		{"no bridge", "bridge", "nspawn", func(_ *testing.T, h *host, _ *Options) { h.Bridge = func() error { return boom } }, Fail, "boom", "modprobe bridge", "modprobe bridge"},
		{"addresses taken", "subnet", "auto", func(_ *testing.T, h *host, _ *Options) {
			h.Links = func() (map[string][]netip.Prefix, error) {
				return map[string][]netip.Prefix{"wg0": {netip.MustParsePrefix("10.77.0.1/16")}}, nil
			}
		}, Fail, "wg0", "testbed.yaml", ""},
		{"a VPN's wide routes", "subnet", "auto", func(_ *testing.T, h *host, _ *Options) {
			h.Links = func() (map[string][]netip.Prefix, error) {
				return map[string][]netip.Prefix{"wg0": {netip.MustParsePrefix("10.0.0.1/8")}}, nil
			}
			h.Routes = func() ([]netip.Prefix, error) {
				return []netip.Prefix{netip.MustParsePrefix("0.0.0.0/1"), netip.MustParsePrefix("10.0.0.0/8")}, nil
			}
		}, OK, "is free", "", ""},
		{"route taken", "subnet", "auto", func(_ *testing.T, h *host, _ *Options) {
			h.Routes = func() ([]netip.Prefix, error) { return []netip.Prefix{netip.MustParsePrefix("10.77.0.128/25")}, nil }
		}, Fail, "a route to 10.77.0.128/25", "testbed.yaml", ""},
		{"bridge of the name", "names", "nspawn", func(_ *testing.T, h *host, _ *Options) {
			h.Links = func() (map[string][]netip.Prefix, error) { return map[string][]netip.Prefix{"nori-demo": nil}, nil }
		}, Fail, "network card nori-demo", "nori down", ""},
		{"namespace of the name", "names", "nspawn", func(t *testing.T, h *host, _ *Options) { h.put(t, "run/netns/nori-demo", "") }, Fail, "/run/netns/nori-demo", "--name", ""},
		{"its own, of a testbed whose folder was lost", "names", "nspawn", func(t *testing.T, h *host, o *Options) {
			o.Dir = "/beds/demo"
			h.put(t, "run/netns/nori-demo", "")
			h.Links = func() (map[string][]netip.Prefix, error) { return map[string][]netip.Prefix{"nori-demo": nil}, nil }
			h.LinkMark = func(string) string { return "noriter:/beds/demo" }
			h.NamespaceMark = h.LinkMark
		}, OK, "free", "", ""},
		{"those of another folder", "names", "nspawn", func(_ *testing.T, h *host, o *Options) {
			o.Dir = "/beds/demo"
			h.Links = func() (map[string][]netip.Prefix, error) { return map[string][]netip.Prefix{"nori-demo": nil}, nil }
			h.LinkMark = func(string) string { return "noriter:/other/demo" }
		}, Fail, "network card nori-demo", "--name", ""},
		{"the namespace that was just made for it", "names", "nspawn", func(t *testing.T, h *host, o *Options) {
			o.Isolated = true
			h.put(t, "run/netns/nori-demo", "")
		}, OK, "free", "", ""},
		{"its own bridge and namespace", "names", "nspawn", func(t *testing.T, h *host, o *Options) {
			o.Known = true
			h.put(t, "run/netns/nori-demo", "")
		}, OK, "free", "", ""},
		{"domain of the name", "names", "libvirt", func(_ *testing.T, h *host, _ *Options) {
			h.virtual.Clashes = func(context.Context, string, string, string) ([]string, error) {
				return []string{"libvirt domain nori-demo-control"}, nil
			}
		}, Fail, "nori-demo-control", "--name", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, o := goodHost(t), options()
			c.spoil(t, &h, &o)
			o.Drivers = h.drivers(c.driver)
			var ran []string
			h.Run = func(_ context.Context, name string, args ...string) error {
				ran = append(ran, strings.Join(append([]string{name}, args...), " "))
				return nil
			}
			var r Result
			for _, check := range all(o, h) {
				if check.ID == c.id {
					r = check.Run(t.Context())
				}
			}
			if r.Status != c.want || !strings.Contains(r.Seen.EN, c.seen) || r.Seen.KO == "" {
				t.Errorf("saw %s %q, want %s with %q", r.Status, r.Seen.EN, c.want, c.seen)
			}
			if !strings.Contains(r.Remedy, c.remedy) || c.remedy == "" && r.Remedy != "" {
				t.Errorf("remedy is %q, want %q in it", r.Remedy, c.remedy)
			}
			if (r.Fix != nil) != (c.fix != "") {
				t.Fatalf("has a repair: %v", r.Fix != nil)
			}
			if r.Fix == nil {
				return
			}
			if err := r.Fix(t.Context()); err != nil || len(ran) != 1 || !strings.HasPrefix(ran[0], c.fix) {
				t.Errorf("the repair ran %q, %v; want %q", ran, err, c.fix)
			}
		})
	}
}

// A failure of a repair is told, after a second try with fresh lists.
func TestInstallTriesAgainWithFreshLists(t *testing.T) {
	h := goodHost(t)
	var ran []string
	h.Run = func(_ context.Context, _ string, args ...string) error {
		ran = append(ran, args[0])
		if len(ran) == 1 {
			return errors.New("404")
		}
		return nil
	}
	if err := (Prober{Options: options(), Host: &h.Host}).Install("mmdebstrap")(t.Context()); err != nil || strings.Join(ran, " ") != "install update install" {
		t.Errorf("ran %v, %v", ran, err)
	}
}

func TestMustGivesHostErrors(t *testing.T) {
	h, o := goodHost(t), options()
	o.Drivers = h.drivers("nspawn")
	h.Look = without("systemd-nspawn", "mmdebstrap")
	o.CPUs = 5
	err := Must(t.Context(), forUp(o, h))
	var he *machine.HostError
	if !errors.As(err, &he) || !strings.Contains(err.Error(), "systemd-container") || !strings.Contains(err.Error(), "nproc") || !strings.Contains(err.Error(), "mmdebstrap") {
		t.Errorf("Must = %v", err)
	}
	h.virtual.KVM = func(context.Context) (bool, lang.Text) { return false, said("no") }
	h.Look = without()
	o.Drivers, o.CPUs = h.drivers("libvirt"), 0
	if err := Must(t.Context(), forUp(o, h)); err != nil {
		t.Errorf("without KVM nothing could be made: %v", err)
	}
}

// The checks of this very host must each come to an answer and leave nothing.
func TestThisHost(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	o := options()
	o.StateDir = filepath.Join(dir, "not", "there yet")
	o.Drivers = []Driver{libvirt.Preflight(libvirt.ThisHost()), nspawn.Preflight(nspawn.ThisHost())}
	for _, c := range All(o) {
		r := c.Run(ctx)
		t.Logf("%-10s %-4s %s %s", c.ID, r.Status, r.Seen.EN, r.Remedy)
		if r.Status == "" || r.Seen.EN == "" || r.Seen.KO == "" {
			t.Errorf("%s gives no answer: %+v", c.ID, r)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
