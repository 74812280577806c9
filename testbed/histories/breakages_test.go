package histories

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// breakages are what dies, is lost or is damaged of the testbed itself. They find what
// they break as it is, and do nothing where it is not there.
var breakages = []action{
	{name: "die init", weight: 3, on: true, driver: "nspawn", args: anyMachine, do: func(w *world, args []string) error {
		return killAll(w.initOf(args[0]))
	}},
	{name: "die supervisor", weight: 2, on: true, driver: "nspawn", args: anyMachine, do: func(w *world, args []string) error {
		return killAll(w.named(args[0], "run.sh")...)
	}},
	{name: "die nspawn", weight: 2, on: true, driver: "nspawn", args: anyMachine, do: func(w *world, args []string) error {
		return killAll(w.named(args[0], "systemd-nspawn")...)
	}},
	{name: "die machine", weight: 2, on: true, args: anyMachine, do: func(w *world, args []string) error {
		if w.bed.driver == "libvirt" {
			return killAll(w.initOf(args[0]))
		}
		return killAll(w.inGroups(args[0])...)
	}},
	{name: "die libvirtd", weight: 3, on: true, driver: "libvirt", do: func(w *world, _ []string) error { return killAll(w.named("", "libvirtd")...) }},
	{name: "die dnsmasq", weight: 3, on: true, driver: "libvirt", do: func(w *world, _ []string) error { return killAll(w.named("", "dnsmasq")...) }},
	{name: "die unit", weight: 3, on: true, args: anyUnit, do: func(w *world, args []string) error {
		_, _ = w.ssh(args[0], "systemctl kill -s KILL "+args[1]) // the machine may be off
		return nil
	}},
	{name: "stop unit", weight: 3, on: true, args: anyUnit, do: func(w *world, args []string) error {
		_, _ = w.ssh(args[0], "systemctl stop "+args[1]) // the machine may be off
		return nil
	}},
	{name: "freeze", weight: 2, on: true, driver: "nspawn", args: anyMachine, do: func(w *world, args []string) error {
		file, value := "cgroup.freeze", "1"
		if len(filesOf("/sys/fs/cgroup/*/noriter/*/*/freezer.state")) > 0 { // as an interrupted snapshot does it
			file, value = "freezer.state", "FROZEN"
		}
		for _, g := range w.groups() {
			_ = os.WriteFile(filepath.Join(g, args[0], file), []byte(value), 0) // one tree has it
		}
		return nil
	}},
	{name: "damage", weight: 6, on: true, args: anyDamage, do: func(w *world, args []string) error {
		return damage(args[0], filepath.Join(w.home, args[1]))
	}},
	{name: "lose", weight: 3, on: true, args: func(r *rand.Rand, _ bed) []string { // the state, or its copy, too
		return []string{one(r, "remove", "empty", "cut", "garble"), "testbeds/" + name + "/" + one(r, "state.json", "state*.json")}
	}, do: func(w *world, args []string) error {
		for _, f := range filesOf(filepath.Join(w.home, args[1])) {
			if err := damage(args[0], f); err != nil {
				return err
			}
		}
		return nil
	}},
	{name: "lose folder", weight: 2, on: true, do: func(w *world, _ []string) error {
		w.unmountAll() // behind the mounts are files of others
		return os.RemoveAll(w.folder())
	}},
	{name: "unmount", weight: 2, on: true, driver: "nspawn", args: anyMachine, do: func(w *world, args []string) error {
		_ = unix.Unmount(w.file("nspawn", "machines", args[0], "root"), unix.MNT_DETACH) // it may be off
		return nil
	}},
	{name: "mount over", weight: 1, on: true, driver: "nspawn", args: anyMachine, do: mountOver},
	{name: "link", weight: 3, on: true, args: func(r *rand.Rand, _ bed) []string {
		return []string{one(r, "delete", "rename", "down", "address")}
	}, do: breakLink},
}

// killAll kills processes, as far as they live.
func killAll(pids ...int) error {
	for _, pid := range pids {
		if pid > 1 {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
	return nil
}

// named finds processes of a machine, or of all, by a word of their command line.
func (w *world) named(machine, word string) (out []int) {
	pids := w.processes()
	if machine != "" {
		pids = w.inGroups(machine)
	}
	for _, pid := range pids {
		first := strings.Fields(commandLine(pid) + " x x")
		if strings.Contains(filepath.Base(first[0]), word) || strings.HasSuffix(first[1], "/"+word) {
			out = append(out, pid)
		}
	}
	return out
}

func anyUnit(r *rand.Rand, b bed) []string {
	machine := anyMachine(r, b)[0]
	return []string{machine, one(r, strings.Fields(units(machine))...)}
}

// damaged are the files that may be damaged, by driver; empty is both.
var damaged = map[string][]string{
	"": {
		"pki/admin.conf", "pki/ca.crt", "pki/ca.key", "pki/etcd/ca.key", "pki/apiserver.crt", "pki/admin.key", "pki/sa.key", "pki/encryption.yaml",
		"ssh/id_ed25519", "ssh/host_control", "ssh/host_node1", "../../locks/" + name,
	},
	"nspawn": {
		"nspawn/machines/control/machine.json", "nspawn/machines/node1/machine.json", "nspawn/machines/node1/run.sh",
		"nspawn/snapshots/start/snapshot.json", "nspawn/snapshots/a/snapshot.json", "nspawn/machines/node1/exit",
	},
	"libvirt": {"libvirt/snapshots/start.json", "libvirt/snapshots/a.json", "libvirt/restoring", "libvirt/etc/libvirtd.conf"},
}

func anyDamage(r *rand.Rand, b bed) []string {
	files := append(append([]string{}, damaged[""]...), damaged[b.driver]...)
	return []string{one(r, "remove", "empty", "cut", "garble"), filepath.Join("testbeds", name, one(r, files...))}
}

// damage does to a file what a crash of the host or a person may do.
func damage(how, path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil // it is not there yet
	}
	switch how {
	case "remove":
		return os.Remove(path)
	case "empty":
		b = nil
	case "cut":
		b = b[:len(b)/2]
	case "garble":
		for i := range b {
			if i%7 == 3 {
				b[i] ^= 0x15
			}
		}
	default:
		return fmt.Errorf("a file can't be damaged by %q", how)
	}
	if err := os.Remove(path); err != nil { // it may be shared by a hard link
		return err
	}
	_ = os.WriteFile(path, b, 0o600) // on a full disk it is as good as removed
	return nil
}

// mountOver hides a machine's folder below an empty one.
func mountOver(w *world, args []string) error {
	dir := w.file("nspawn", "machines", args[0])
	if _, err := os.Stat(dir); err != nil {
		return nil
	}
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=1m"); err != nil {
		return err
	}
	w.inTheWay = true
	w.undo = append(w.undo, func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return nil
}

// breakLink does something to the testbed's bridge.
func breakLink(w *world, args []string) error {
	bridge := "nori-" + name
	switch args[0] {
	case "delete":
		_, _ = w.inNet("ip", "link", "del", bridge)
	case "rename":
		_, _ = w.inNet("ip", "link", "set", bridge, "down")
		if _, err := w.inNet("ip", "link", "set", bridge, "name", "elsewhere0"); err == nil && !w.bed.isolated {
			w.undo = append(w.undo, func() { _, _ = run("ip", "link", "del", "elsewhere0") })
		}
	case "down":
		_, _ = w.inNet("ip", "link", "set", bridge, "down")
	case "address":
		_, _ = w.inNet("ip", "address", "flush", "dev", bridge)
	}
	return nil // it may not be there
}
