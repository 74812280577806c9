package node

import (
	"context"
	"log/slog"
	"time"

	v1 "k8s.io/api/core/v1"
)

// relief is how long pressure is reported after it was last seen, so that a value
// around the threshold doesn't make the condition flap: the kubelet's default of
// evictionPressureTransitionPeriod.
const relief = 5 * time.Minute

// Thresholds say when a resource is short (DefaultEvictionHard in
// pkg/kubelet/eviction/defaults_linux.go). Zero values mean the defaults.
type Thresholds struct {
	// MemoryBytes must be available; default 100 MiB, as the kubelet's.
	MemoryBytes int64
	// DiskPercent of a file system and of its inodes must be free: default 10 %
	// and half of that for inodes, as the kubelet's.
	DiskPercent int64
	// DiskBytes are enough in any case, whatever the percentage: default 2 GiB.
	// The kubelet has no such bound. It keeps a testbed on a laptop with an
	// almost full disk of a terabyte usable.
	DiskBytes int64
	// PIDPercent of the tasks that there may be must be free; default 5 %.
	PIDPercent int64
}

func (t Thresholds) withDefaults() Thresholds {
	if t.MemoryBytes == 0 {
		t.MemoryBytes = 100 << 20
	}
	if t.DiskPercent == 0 {
		t.DiskPercent = 10
	}
	if t.DiskBytes == 0 {
		t.DiskBytes = 2 << 30
	}
	if t.PIDPercent == 0 {
		t.PIDPercent = 5
	}
	return t
}

// diskReserve is what has to stay free of a file system of that size, in bytes.
func (t Thresholds) diskReserve(capacity int64) int64 {
	return min(capacity/100*t.DiskPercent, t.DiskBytes)
}

// pressure remembers when a resource was last short.
type pressure struct {
	seen map[v1.NodeConditionType]time.Time
}

// look measures, and says for each condition whether it holds.
func (p *pressure) look(ctx context.Context, cfg *Config, now time.Time) map[v1.NodeConditionType]bool {
	if p.seen == nil {
		p.seen = map[v1.NodeConditionType]time.Time{}
	}
	for kind, short := range map[v1.NodeConditionType]bool{
		v1.NodeMemoryPressure: memoryShort(cfg),
		v1.NodeDiskPressure:   diskShort(ctx, cfg),
		v1.NodePIDPressure:    pidsShort(cfg),
	} {
		if short {
			p.seen[kind] = now
		}
	}
	under := map[v1.NodeConditionType]bool{}
	for kind, last := range p.seen {
		under[kind] = now.Sub(last) < relief
	}
	return under
}

func memoryShort(cfg *Config) bool {
	memory, err := cfg.Machine.Memory()
	if err != nil {
		slog.Error("reading the memory failed", "error", err)
		return false
	}
	return memory.Available < cfg.Pressure.MemoryBytes
}

// diskShort looks at the file systems of the pods and of the images.
func diskShort(ctx context.Context, cfg *Config) bool {
	paths := []string{cfg.RootDir}
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	if info, err := cfg.Images.ImageFsInfo(ctx); err == nil {
		for _, fs := range info.GetImageFilesystems() {
			paths = append(paths, fs.GetFsId().GetMountpoint())
		}
	}
	for _, path := range paths {
		fs, err := cfg.Machine.FilesystemOf(path)
		if err != nil {
			slog.Error("reading a file system failed", "error", err)
			continue
		}
		if fs.Available < cfg.Pressure.diskReserve(fs.Capacity) {
			return true
		}
		if fs.Inodes > 0 && fs.InodesFree*200 < fs.Inodes*cfg.Pressure.DiskPercent {
			return true
		}
	}
	return false
}

func pidsShort(cfg *Config) bool {
	limit, running, err := cfg.Machine.PIDs()
	if err != nil {
		slog.Error("counting processes failed", "error", err)
		return false
	}
	return (limit-running)*100 < limit*cfg.Pressure.PIDPercent
}
