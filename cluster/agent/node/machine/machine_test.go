package machine

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// tree writes files below a new root.
func tree(t *testing.T, files map[string]string) Machine {
	t.Helper()
	root := t.TempDir()
	for path, text := range files {
		full := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Machine{Root: root}
}

const meminfoText = "MemTotal:  4096 kB\nMemFree:  1024 kB\nMemAvailable:  2048 kB\nInactive(file):   512 kB\nHugePages_Total:   0\n"

func TestMemory(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		limit int64
		want  Memory
	}{
		"the whole machine":           {nil, 0, Memory{Total: 4 << 20, Available: 2 << 20, Used: 3 << 20, WorkingSet: 2560 << 10}},
		"limited by hand":             {nil, 1 << 20, Memory{Total: 1 << 20, Available: 1 << 20, Used: 3 << 20, WorkingSet: 2560 << 10}},
		"a limit above what there is": {nil, 1 << 30, Memory{Total: 4 << 20, Available: 2 << 20, Used: 3 << 20, WorkingSet: 2560 << 10}},
		"control group, version 1": {map[string]string{
			"/proc/1/cgroup": "5:cpu:/x\n4:memory:/machines/node1/init.scope\n",
			"/sys/fs/cgroup/memory/machines/node1/memory.usage_in_bytes": "600000\n",
			"/sys/fs/cgroup/memory/machines/node1/memory.limit_in_bytes": "1000000\n",
			"/sys/fs/cgroup/memory/machines/node1/memory.stat":           "cache 1\ntotal_inactive_file 100000\n",
		}, 0, Memory{Total: 1000000, Available: 500000, Used: 600000, WorkingSet: 500000}},
		"control group without limit": {map[string]string{
			"/proc/1/cgroup": "4:memory:/machines/node1\n",
			"/sys/fs/cgroup/memory/machines/node1/memory.usage_in_bytes": "600000\n",
			"/sys/fs/cgroup/memory/machines/node1/memory.limit_in_bytes": "9223372036854771712\n",
		}, 0, Memory{Total: 4 << 20, Available: 2 << 20, Used: 600000, WorkingSet: 600000}},
		"control group, version 2": {map[string]string{
			"/proc/1/cgroup":                        "0::/payload/init.scope\n",
			"/sys/fs/cgroup/payload/memory.current": "600000\n",
			"/sys/fs/cgroup/payload/memory.max":     "max\n",
			"/sys/fs/cgroup/payload/memory.stat":    "inactive_file 100000\n",
		}, 2000000, Memory{Total: 2000000, Available: 1500000, Used: 600000, WorkingSet: 500000}},
		"the root group": {map[string]string{"/proc/1/cgroup": "0::/init.scope\n"}, 0,
			Memory{Total: 4 << 20, Available: 2 << 20, Used: 3 << 20, WorkingSet: 2560 << 10}},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"/proc/meminfo": meminfoText}
			for k, v := range c.files {
				files[k] = v
			}
			m := tree(t, files)
			m.MemoryLimit = c.limit
			if got, err := m.Memory(); err != nil || got != c.want {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
	if _, err := tree(t, map[string]string{"/proc/meminfo": "nothing"}).Memory(); err == nil {
		t.Error("an unknown meminfo was taken")
	}
}

func TestCPUTimeAndPIDs(t *testing.T) {
	m := tree(t, map[string]string{
		"/proc/stat": "cpu  100 0 50 900 10 1 2 3 0 0\ncpu0 1 2\n", "/proc/loadavg": "0.1 0.2 0.3 2/345 999\n",
		"/proc/sys/kernel/pid_max": "4194304\n", "/proc/sys/kernel/threads-max": "1000\n",
	})
	if got, err := m.CPUTime(); err != nil || got != 1560*time.Millisecond {
		t.Errorf("got %v, %v", got, err)
	}
	if limit, running, err := m.PIDs(); err != nil || limit != 1000 || running != 345 {
		t.Errorf("got %d, %d, %v", limit, running, err)
	}
	if _, _, err := tree(t, map[string]string{"/proc/loadavg": "odd"}).PIDs(); err == nil {
		t.Error("an unknown loadavg was taken")
	}
}

func TestIdentity(t *testing.T) {
	files := map[string]string{
		"/etc/machine-id": "m1\n", "/sys/class/dmi/id/product_uuid": "hw\n", "/proc/sys/kernel/random/boot_id": "b1\n",
		"/usr/lib/os-release": "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n",
	}
	got := tree(t, files).Identity()
	if got.MachineID != "m1" || got.SystemUUID != "hw" || got.BootID != "b1" || got.OSImage != "Debian GNU/Linux 13 (trixie)" || got.Kernel == "" {
		t.Errorf("got %+v", got)
	}
	files["/run/systemd/container"] = "systemd-nspawn\n"
	if got := tree(t, files).Identity(); got.SystemUUID != "m1" {
		t.Errorf("containers of one host share the UUID %s", got.SystemUUID)
	}
}

func TestThisMachine(t *testing.T) {
	m := Machine{}
	if memory, err := m.Memory(); err != nil || memory.Total <= 0 || memory.Available <= 0 || memory.Available > memory.Total {
		t.Errorf("memory: %+v, %v", memory, err)
	}
	if fs, err := m.FilesystemOf("/not/there/yet"); err != nil || fs.Capacity <= 0 {
		t.Errorf("file system: %+v, %v", fs, err)
	}
	if limit, running, err := m.PIDs(); err != nil || running <= 0 || limit < running {
		t.Errorf("PIDs: %d, %d, %v", limit, running, err)
	}
	if m.BootTime().After(time.Now()) || m.CPUs() < 1 {
		t.Error("boot time or processors")
	}
	all := m.CPUs()
	for limit, want := range map[int]int{1: 1, all: all, all + 1: all} {
		if got := (Machine{CPULimit: limit}).CPUs(); got != want {
			t.Errorf("limited to %d of %d processors it has %d, want %d", limit, all, got, want)
		}
	}
}
