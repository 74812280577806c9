package libvirt

import (
	"encoding/base64"
	"strings"

	"libvirt.org/go/libvirtxml"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
)

// defaultMemoryMiB is for a Spec that names none.
const defaultMemoryMiB = 768

// TranslationMiB is what an emulated machine with so much memory may keep of
// translated code. QEMU throws all of it away when it is full: a control node
// makes 800 MiB while it starts, and with 192 it did so 15 times. Its own
// default is an eighth of the host's memory for each machine.
func TranslationMiB(memoryMiB int) int { return memoryMiB * 2 / 3 }

// baseCmdline is the kernel's for every machine: a quiet console, because
// each line through an emulated serial port costs milliseconds, and a reboot
// in place of a hang.
const baseCmdline = "root=/dev/vda rw console=ttyS0 quiet loglevel=3 panic=10 random.trust_cpu=on"

// emulatedCmdline is added without KVM: what would guard against the
// processor's mistakes guards nothing here, and checks of its timers take
// longer than they are worth. Timers go off with the tick (4 ms), not each on
// its own: a Go program's monitor thread sleeps for 20 µs at a time while there
// is work, so that a dozen such programs cause a thousand interrupts a second,
// each with an exit from the translated code and a thread that is woken. They
// took half of an idle control node's processor.
const emulatedCmdline = "mitigations=off tsc=reliable no_timer_check nokaslr highres=off"

// emulated is libvirt's type of a machine without KVM.
const emulated = "qemu"

// domainSpec is all that a domain is made of.
type domainSpec struct {
	tb      machine.Testbed
	machine machine.Spec
	virt    string
	files   bootFiles
	disk    string // the overlay's path
	parcel  string // the parcel's; empty is none
	console string // the log's path
	hostKey string // the path of the machine's SSH host key
}

// domainXML is a machine as libvirt is told of it: as few devices as it can
// do with, since each is found and set up at every boot.
func domainXML(d domainSpec) (string, error) {
	login, err := loginCredential(d.tb, d.machine.Name)
	if err != nil {
		return "", err
	}
	md, err := mark{Name: d.tb.Name, Machine: d.machine.Name, Dir: d.tb.Dir, Address: d.machine.Address.String()}.xml()
	if err != nil {
		return "", err
	}
	memory := d.machine.MemoryMiB
	if memory == 0 {
		memory = defaultMemoryMiB
	}
	x := libvirtxml.Domain{
		Type:     d.virt,
		Name:     domainName(d.tb.Name, d.machine.Name),
		UUID:     uuid("domain", d.tb.Name, d.machine.Name),
		Metadata: &libvirtxml.DomainMetadata{XML: md},
		Memory:   &libvirtxml.DomainMemory{Unit: "MiB", Value: uint(memory)},
		VCPU:     &libvirtxml.DomainVCPU{Placement: "static", Value: processors(d)},
		SysInfo: []libvirtxml.DomainSysInfo{{SMBIOS: &libvirtxml.DomainSysInfoSMBIOS{
			OEMStrings: &libvirtxml.DomainSysInfoOEMStrings{Entry: []string{login}},
		}}, {FWCfg: &libvirtxml.DomainSysInfoFWCfg{
			Entry: []libvirtxml.DomainSysInfoEntry{{Name: hostKeyItem, File: d.hostKey}},
		}}},
		OS: &libvirtxml.DomainOS{
			Type:   &libvirtxml.DomainOSType{Arch: "x86_64", Machine: "pc", Type: "hvm"},
			Kernel: d.files.kernel, Initrd: d.files.initrd, Cmdline: cmdline(d),
			SMBios: &libvirtxml.DomainSMBios{Mode: "sysinfo"},
		},
		Features: &libvirtxml.DomainFeatureList{ACPI: &libvirtxml.DomainFeature{}},
		CPU:      &libvirtxml.DomainCPU{Mode: "host-passthrough", Migratable: "on"},
		Clock:    &libvirtxml.DomainClock{Offset: "utc"},
		PM: &libvirtxml.DomainPM{
			SuspendToMem:  &libvirtxml.DomainPMPolicy{Enabled: "no"},
			SuspendToDisk: &libvirtxml.DomainPMPolicy{Enabled: "no"},
		},
		OnPoweroff: "destroy", OnReboot: "restart", OnCrash: "restart",
		Devices: devices(d),
	}
	if d.virt == emulated {
		x.CPU = emulatedCPU()
		x.Features.TCG = &libvirtxml.DomainFeatureTCG{TBCache: &libvirtxml.DomainFeatureTCGTBCache{Unit: "MiB", Size: uint(TranslationMiB(memory))}}
	}
	return marshal(&x)
}

// processors is how many the machine gets: one where it is emulated, whatever
// was asked for. QEMU runs each on a thread of its own, which may still be in
// the old translation of an instruction that another one changes. A Linux that
// switches its static keys then meets a breakpoint that nobody knows of any
// more: "Oops: int3" and a panic, seen twice in one start (QEMU 7.2, Linux
// 6.12, in ip_local_deliver as the first netfilter hooks came).
func processors(d domainSpec) uint {
	if d.virt == emulated {
		return 1
	}
	return uint(max(d.machine.CPUs, 1))
}

// emulatedCPU is all that QEMU can emulate.
func emulatedCPU() *libvirtxml.DomainCPU {
	return &libvirtxml.DomainCPU{Mode: "maximum", Migratable: "on"}
}

// cmdline is the machine's kernel command line. The host name is in it as
// well as in the lease, so that no program ever sees another.
func cmdline(d domainSpec) string {
	parts := []string{baseCmdline}
	if d.virt == emulated {
		parts = append(parts, emulatedCmdline)
	}
	if d.parcel != "" {
		parts = append(parts, "noriter.parcel=/dev/vdb")
	}
	return strings.Join(append(parts, "systemd.hostname="+d.machine.Name), " ")
}

// loginCredential is the key that may log in, as a systemd credential
// (systemd.system-credentials(7)) in an SMBIOS string of type 11. It is a public one:
// the machine's own, which is not, comes by another way (hostkey.go).
func loginCredential(tb machine.Testbed, name string) (string, error) {
	if strings.TrimSpace(tb.AuthorizedKey) == "" {
		return "", lang.Errorf("testbed %s has no SSH key, so nobody could log in to %s",
			"테스트베드 %s에 SSH 키가 없어서 %s에 로그인할 수 없습니다", tb.Name, name)
	}
	line := strings.TrimSpace(tb.AuthorizedKey) + "\n"
	return "io.systemd.credential.binary:ssh.authorized_keys.root=" + base64.StdEncoding.EncodeToString([]byte(line)), nil
}

// parcelDisk is the parcel: shared with other machines, so never written to, and
// left with the owner it has.
func parcelDisk(file string) libvirtxml.DomainDisk {
	return libvirtxml.DomainDisk{
		Device: "disk",
		Driver: &libvirtxml.DomainDiskDriver{Name: "qemu", Type: "raw"},
		Source: &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{
			File:     file,
			SecLabel: []libvirtxml.DomainDeviceSecLabel{{Model: "dac", Relabel: "no"}},
		}},
		Target:   &libvirtxml.DomainDiskTarget{Dev: "vdb", Bus: "virtio"},
		ReadOnly: &libvirtxml.DomainDiskReadOnly{},
	}
}

// devices are a disk, perhaps the parcel, a network card, a source of randomness and a console.
func devices(d domainSpec) *libvirtxml.DomainDeviceList {
	zero := uint(0)
	disks := []libvirtxml.DomainDisk{disk(d)}
	if d.parcel != "" {
		disks = append(disks, parcelDisk(d.parcel))
	}
	return &libvirtxml.DomainDeviceList{
		Disks: disks,
		Controllers: []libvirtxml.DomainController{
			{Type: "usb", Model: "none"},
		},
		Interfaces: []libvirtxml.DomainInterface{{
			MAC:    &libvirtxml.DomainInterfaceMAC{Address: macAddress(d.tb.Name, d.machine.Name)},
			Source: &libvirtxml.DomainInterfaceSource{Network: &libvirtxml.DomainInterfaceSourceNetwork{Network: networkName(d.tb.Name)}},
			Model:  &libvirtxml.DomainInterfaceModel{Type: "virtio"},
			ROM:    &libvirtxml.DomainROM{Enabled: "no"},
		}},
		Serials: []libvirtxml.DomainSerial{{
			Source: &libvirtxml.DomainChardevSource{File: &libvirtxml.DomainChardevSourceFile{Path: d.console, Append: "on"}},
			Target: &libvirtxml.DomainSerialTarget{Port: &zero},
		}},
		MemBalloon: &libvirtxml.DomainMemBalloon{Model: "none"},
		RNGs: []libvirtxml.DomainRNG{{
			Model:   "virtio",
			Backend: &libvirtxml.DomainRNGBackend{Random: &libvirtxml.DomainRNGBackendRandom{Device: "/dev/urandom"}},
		}},
		Videos: nil,
	}
}

// disk is the overlay. What the guest flushes reaches the host's page cache
// and no further: a power failure of the host costs a testbed, which is
// cheaply made again, and etcd's many flushes cost nothing.
func disk(d domainSpec) libvirtxml.DomainDisk {
	x := libvirtxml.DomainDisk{
		Device: "disk",
		Driver: &libvirtxml.DomainDiskDriver{Name: "qemu", Type: "qcow2", Cache: "unsafe", Discard: "unmap"},
		Source: &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: d.disk}},
		Target: &libvirtxml.DomainDiskTarget{Dev: "vda", Bus: "virtio"},
	}
	if !d.files.relabel {
		// Said here, libvirt neither looks for it nor changes its owner.
		x.BackingStore = &libvirtxml.DomainDiskBackingStore{
			Format: &libvirtxml.DomainDiskFormat{Type: d.files.disk.format},
			Source: &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{
				File:     d.files.disk.path,
				SecLabel: []libvirtxml.DomainDeviceSecLabel{{Model: "dac", Relabel: "no"}},
			}},
			BackingStore: &libvirtxml.DomainDiskBackingStore{},
		}
	}
	return x
}
