package machine

import (
	"strings"

	"golang.org/x/sys/unix"
)

// Identity is which machine this is, and what runs on it.
type Identity struct {
	// MachineID is of the installation, SystemUUID of the (virtual) hardware,
	// BootID of this boot.
	MachineID, SystemUUID, BootID string
	Kernel, OSImage               string
}

// Identity reads it. What a machine lacks is empty; a container has no hardware
// of its own, and then its SystemUUID is the machine ID, as cAdvisor has it.
func (m Machine) Identity() Identity {
	id := Identity{
		MachineID: m.line("/etc/machine-id", "/var/lib/dbus/machine-id"),
		BootID:    m.line("/proc/sys/kernel/random/boot_id"),
		OSImage:   m.osImage(),
	}
	id.SystemUUID = m.line("/sys/class/dmi/id/product_uuid", "/proc/device-tree/system-id", "/etc/machine-id")
	if m.container() {
		// All container machines of a host see the same hardware. (The boot ID
		// is their own: systemd-nspawn makes one at every start.)
		id.SystemUUID = id.MachineID
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		id.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	return id
}

// container reports whether the machine is a container (systemd's
// container interface).
func (m Machine) container() bool { return m.line("/run/systemd/container") != "" }

// osImage is the name for people in os-release(5).
func (m Machine) osImage() string {
	for _, path := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		text, err := m.read(path)
		if err != nil {
			continue
		}
		for line := range strings.Lines(text) {
			if name, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
				return strings.Trim(strings.TrimSpace(name), `"'`)
			}
		}
	}
	return "Unknown"
}

// line is the first line of the first file that has one.
func (m Machine) line(paths ...string) string {
	for _, path := range paths {
		if text, err := m.read(path); err == nil {
			first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
			if first != "" {
				return first
			}
		}
	}
	return ""
}
