package nspawn

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
)

const (
	// maxTasks is how many threads a machine may have: its own three hundred, and some for
	// each of 110 pods. A fork bomb in it does not take the host's.
	maxTasks = 16384
	// quotaPeriod is over how many microseconds processor time is counted: the kernel's
	// default. A machine may use its processors' share of each, on whichever they are.
	quotaPeriod = 100_000
)

// limit sets the machine's limits where the host has the controllers; no memory (MiB)
// means as much as there is, no processors all of them. A machine without some limits is
// better than none, but a number of processors was asked for: a host that can't keep it is
// a *machine.HostError.
func (g group) limit(mib, cpus int) error {
	memory1, memory2, quota1, quota2 := "-1", "max", "-1", "max"
	if mib > 0 {
		memory1 = strconv.Itoa(mib << 20)
		memory2 = memory1
	}
	if cpus > 0 {
		quota1 = strconv.Itoa(cpus * quotaPeriod)
		quota2 = quota1
	}
	period := strconv.Itoa(quotaPeriod)
	held := false
	for _, l := range []struct{ file, value string }{
		{"memory.limit_in_bytes", memory1}, {"memory.max", memory2}, {"pids.max", strconv.Itoa(maxTasks)},
		{"cpu.cfs_period_us", period}, {"cpu.cfs_quota_us", quota1}, {"cpu.max", quota2 + " " + period},
	} {
		set, err := g.set(l.file, l.value)
		if err != nil {
			return lang.Errorf("limiting the machine, %s to %s: %w", "머신 제한, %s을(를) %s(으)로: %w", l.file, l.value, err)
		}
		held = held || set && (l.file == "cpu.cfs_quota_us" || l.file == "cpu.max")
	}
	if cpus > 0 && !held {
		return &machine.HostError{
			What: lang.T("this host can't limit the processors of a container machine", "이 호스트는 컨테이너 머신의 프로세서를 제한할 수 없습니다"),
			Remedy: lang.T("zgrep CFS_BANDWIDTH /proc/config.gz   # the kernel needs it; or make the testbed without cpus",
				"zgrep CFS_BANDWIDTH /proc/config.gz   # 커널에 있어야 합니다. 아니면 cpus 없이 테스트베드를 만드세요"),
		}
	}
	return nil
}

// set writes a file of the cgroup in the hierarchies that have it, and says whether any has.
func (g group) set(file, value string) (bool, error) {
	found := false
	for _, h := range g.trees {
		path := filepath.Join(g.dir(h), file)
		if !exists(path) {
			continue // this hierarchy has no such controller
		}
		if err := os.WriteFile(path, []byte(value), 0); err != nil {
			return found, err
		}
		found = true
	}
	return found, nil
}

// fairShares are the kernel's weights of a cgroup, for processor time while that is
// short: of version 1 and of version 2.
var fairShares = map[string]int{"cpu.shares": 1024, "cpu.weight": 100}

// share keeps the weight of the group of all testbeds to that of any other group of the
// host, so that all machines together count as one. Root on a machine without users of
// its own may have raised it. Who has lowered it has a reason.
func (g group) share() error {
	all := group{trees: g.trees, path: []string{groupRoot}}
	for file, fair := range fairShares {
		for _, h := range all.trees {
			b, err := os.ReadFile(filepath.Join(all.dir(h), file))
			if errors.Is(err, fs.ErrNotExist) {
				continue // this hierarchy has no such controller
			}
			weight, nerr := strconv.Atoi(strings.TrimSpace(string(b)))
			if err = errors.Join(err, nerr); err == nil && weight > fair {
				_, err = all.set(file, strconv.Itoa(fair))
			}
			if err != nil {
				return lang.Errorf("sharing the processors fairly, by %s: %w", "프로세서를 고르게 나누기, %s: %w", file, err)
			}
		}
	}
	return nil
}
