package server

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	stats "k8s.io/kubelet/pkg/apis/stats/v1alpha1"

	"noriter.dev/noriter/cluster/agent/node/machine"
	"noriter.dev/noriter/cluster/agent/podspec"
)

const (
	// usageTTL keeps a flood of questions from becoming a flood of measurements.
	usageTTL = time.Second
	// usageLimit bounds one measurement.
	usageLimit = 20 * time.Second
)

// usage measures what the node and its pods use (pkg/kubelet/stats). Pods are measured by
// the runtime and not by cAdvisor, as with the feature PodAndContainerStatsFromCRI.
type usage struct {
	cfg *Config

	mu       sync.Mutex
	last     *stats.Summary
	lastTime time.Time
	// cpu is the node's processor time at lastTime. The kernel counts time; a rate takes
	// two looks.
	cpu time.Duration
}

// summary measures, or gives what was measured within the last second.
func (u *usage) summary(ctx context.Context) (*stats.Summary, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.cfg.Clock.Now()
	if u.last != nil && now.Sub(u.lastTime) < usageTTL {
		return u.last, nil
	}
	ctx, cancel := context.WithTimeout(ctx, usageLimit)
	defer cancel()
	sandboxes, err := u.cfg.Runtime.ListPodSandboxStats(ctx, &cri.PodSandboxStatsFilter{})
	if err != nil {
		return nil, fmt.Errorf("asking the container runtime what the pods use: %w", err)
	}
	node, err := u.node(ctx, now)
	if err != nil {
		return nil, err
	}
	s := &stats.Summary{Node: *node, Pods: make([]stats.PodStats, 0, len(sandboxes))}
	for _, sb := range sandboxes {
		pod := podStats(sb, metav1.NewTime(now))
		u.started(&pod)
		s.Pods = append(s.Pods, pod)
	}
	slices.SortFunc(s.Pods, func(a, b stats.PodStats) int {
		return strings.Compare(a.PodRef.Namespace+"/"+a.PodRef.Name, b.PodRef.Namespace+"/"+b.PodRef.Name)
	})
	u.last, u.lastTime = s, now
	return s, nil
}

// started fills in when the pod and its containers started, which the agent knows
// and the runtime's statistics don't.
func (u *usage) started(got *stats.PodStats) {
	pod, ok := u.cfg.Pods.Get(got.PodRef.Namespace, got.PodRef.Name)
	if !ok {
		return
	}
	if pod.Status.StartTime != nil {
		got.StartTime = *pod.Status.StartTime
	}
	for i := range got.Containers {
		if st := podspec.FindContainerStatus(&pod.Status, got.Containers[i].Name); st != nil && st.State.Running != nil {
			got.Containers[i].StartTime = st.State.Running.StartedAt
		}
	}
}

// node measures the machine itself.
func (u *usage) node(ctx context.Context, now time.Time) (*stats.NodeStats, error) {
	m := machine.Machine{}
	at := metav1.NewTime(now)
	memory, err := m.Memory()
	if err != nil {
		return nil, err
	}
	cpu, err := m.CPUTime()
	if err != nil {
		return nil, err
	}
	out := &stats.NodeStats{
		NodeName:  u.cfg.NodeName,
		StartTime: metav1.NewTime(m.BootTime()),
		CPU:       &stats.CPUStats{Time: at, UsageCoreNanoSeconds: count(int64(cpu))},
		Memory: &stats.MemoryStats{Time: at, AvailableBytes: count(memory.Available),
			UsageBytes: count(memory.Used), WorkingSetBytes: count(memory.WorkingSet)},
	}
	if passed := now.Sub(u.lastTime); u.cpu > 0 && passed > 0 {
		out.CPU.UsageNanoCores = count(int64(float64(cpu-u.cpu) / passed.Seconds()))
	}
	u.cpu = cpu
	if disk, err := m.FilesystemOf(u.cfg.RootDir); err == nil {
		out.Fs = fsStats(disk, at)
	}
	if limit, running, err := m.PIDs(); err == nil {
		out.Rlimit = &stats.RlimitStats{Time: at, MaxPID: &limit, NumOfRunningProcesses: &running}
	}
	out.Runtime = &stats.RuntimeStats{ImageFs: u.imageFs(ctx, m, at)}
	return out, nil
}

// imageFs is the file system of the images: its size from the kernel, how much the
// images use of it from the runtime.
func (u *usage) imageFs(ctx context.Context, m machine.Machine, at metav1.Time) *stats.FsStats {
	info, err := u.cfg.Images.ImageFsInfo(ctx)
	if err != nil || len(info.GetImageFilesystems()) == 0 {
		return nil
	}
	fs := info.GetImageFilesystems()[0]
	disk, err := m.FilesystemOf(fs.GetFsId().GetMountpoint())
	if err != nil {
		return nil
	}
	out := fsStats(disk, at)
	out.UsedBytes, out.InodesUsed = value(fs.GetUsedBytes()), value(fs.GetInodesUsed())
	return out
}

// fsStats puts a file system into the form of the summary.
func fsStats(fs machine.Filesystem, at metav1.Time) *stats.FsStats {
	return &stats.FsStats{Time: at, AvailableBytes: count(fs.Available), CapacityBytes: count(fs.Capacity), UsedBytes: count(fs.Used),
		Inodes: count(fs.Inodes), InodesFree: count(fs.InodesFree), InodesUsed: count(fs.Inodes - fs.InodesFree)}
}

// podStats puts what the runtime says of a pod into the form of the summary.
// What the runtime gives no time for was measured just now.
func podStats(sb *cri.PodSandboxStats, now metav1.Time) stats.PodStats {
	meta, linux := sb.GetAttributes().GetMetadata(), sb.GetLinux()
	pod := stats.PodStats{
		PodRef:     stats.PodReference{Name: meta.GetName(), Namespace: meta.GetNamespace(), UID: meta.GetUid()},
		CPU:        cpuStats(linux.GetCpu(), now),
		Memory:     memoryStats(linux.GetMemory(), now),
		Network:    networkStats(linux.GetNetwork(), now),
		Containers: []stats.ContainerStats{},
	}
	var disk uint64
	for _, c := range linux.GetContainers() {
		got := stats.ContainerStats{
			Name: c.GetAttributes().GetMetadata().GetName(),
			CPU:  cpuStats(c.GetCpu(), now), Memory: memoryStats(c.GetMemory(), now),
		}
		if w := c.GetWritableLayer(); w != nil {
			got.Rootfs = &stats.FsStats{Time: nanos(w.GetTimestamp(), now), UsedBytes: value(w.GetUsedBytes()), InodesUsed: value(w.GetInodesUsed())}
			disk += w.GetUsedBytes().GetValue()
			pod.EphemeralStorage = &stats.FsStats{Time: nanos(w.GetTimestamp(), now)}
		}
		pod.Containers = append(pod.Containers, got)
	}
	if pod.EphemeralStorage != nil {
		pod.EphemeralStorage.UsedBytes = &disk
	}
	if n := linux.GetProcess().GetProcessCount(); n != nil {
		pod.ProcessStats = &stats.ProcessStats{ProcessCount: value(n)}
	}
	return pod
}

func cpuStats(c *cri.CpuUsage, now metav1.Time) *stats.CPUStats {
	if c == nil {
		return nil
	}
	return &stats.CPUStats{Time: nanos(c.GetTimestamp(), now), UsageNanoCores: value(c.GetUsageNanoCores()), UsageCoreNanoSeconds: value(c.GetUsageCoreNanoSeconds())}
}

func memoryStats(m *cri.MemoryUsage, now metav1.Time) *stats.MemoryStats {
	if m == nil {
		return nil
	}
	return &stats.MemoryStats{Time: nanos(m.GetTimestamp(), now), AvailableBytes: value(m.GetAvailableBytes()), UsageBytes: value(m.GetUsageBytes()),
		WorkingSetBytes: value(m.GetWorkingSetBytes()), RSSBytes: value(m.GetRssBytes()),
		PageFaults: value(m.GetPageFaults()), MajorPageFaults: value(m.GetMajorPageFaults())}
}

func networkStats(n *cri.NetworkUsage, now metav1.Time) *stats.NetworkStats {
	if n == nil {
		return nil
	}
	out := &stats.NetworkStats{Time: nanos(n.GetTimestamp(), now), InterfaceStats: interfaceStats(n.GetDefaultInterface())}
	for _, i := range n.GetInterfaces() {
		out.Interfaces = append(out.Interfaces, interfaceStats(i))
	}
	return out
}

func interfaceStats(i *cri.NetworkInterfaceUsage) stats.InterfaceStats {
	return stats.InterfaceStats{Name: i.GetName(), RxBytes: value(i.GetRxBytes()), RxErrors: value(i.GetRxErrors()),
		TxBytes: value(i.GetTxBytes()), TxErrors: value(i.GetTxErrors())}
}

// value is what the runtime measured, or nil if it didn't.
func value(v *cri.UInt64Value) *uint64 {
	if v == nil {
		return nil
	}
	n := v.GetValue()
	return &n
}

// count is a number of the summary, where a negative one makes no sense.
func count(n int64) *uint64 {
	u := uint64(max(n, 0))
	return &u
}

// nanos is a time of the runtime, or now if it gave none.
func nanos(n int64, now metav1.Time) metav1.Time {
	if n == 0 {
		return now
	}
	return metav1.NewTime(time.Unix(0, n))
}
