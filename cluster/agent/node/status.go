package node

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"noriter.dev/noriter/cluster/conditions"
)

const (
	// maxImages and maxNames bound what the status says of images: the default of
	// --node-status-max-images, and MaxNamesPerImageInNodeStatus in pkg/kubelet/nodestatus.
	maxImages = 50
	maxNames  = 5
)

// tryUpdateNodeStatus looks at everything and sends what changed (tryUpdateNodeStatus in
// pkg/kubelet/kubelet_node_status.go). It reports whether the node is ready.
func (m *Manager) tryUpdateNodeStatus(ctx context.Context) (ready bool, err error) {
	if at := m.deleted.Load(); at != nil {
		if m.cfg.Clock.Since(*at) < m.leasePeriod() {
			return true, nil // nothing to hurry for
		}
		return false, m.tryRegisterWithAPIServer(ctx)
	}
	have := m.Node()
	now := have.DeepCopy()
	m.setNodeStatus(ctx, now)
	ready, _ = conditions.NodeReady(now)
	if equalStatus(&have.Status, &now.Status) && m.cfg.Clock.Since(m.lastReport) < reportPeriod {
		m.recordSchedulableEvent(have)
		return ready, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	got, err := m.patchNodeStatus(ctx, have, now)
	if apierrors.IsNotFound(err) {
		m.lost()
		return ready, nil
	}
	if err != nil {
		return ready, err
	}
	m.recordConditionEvents(have, now)
	m.lastReport = m.cfg.Clock.Now()
	m.set(got)
	m.recordSchedulableEvent(got)
	return ready, nil
}

// patchNodeStatus sends the difference of two statuses. Not the whole, or a condition that
// somebody else writes, such as NetworkUnavailable, would be overwritten.
func (m *Manager) patchNodeStatus(ctx context.Context, have, now *v1.Node) (*v1.Node, error) {
	before, err := json.Marshal(v1.Node{Status: have.Status})
	if err != nil {
		return nil, fmt.Errorf("encoding the node's status: %w", err)
	}
	after, err := json.Marshal(v1.Node{Status: now.Status})
	if err != nil {
		return nil, fmt.Errorf("encoding the node's status: %w", err)
	}
	patch, err := strategicpatch.CreateTwoWayMergePatch(before, after, v1.Node{})
	if err != nil {
		return nil, fmt.Errorf("comparing the node's status: %w", err)
	}
	got, err := m.cfg.Client.CoreV1().Nodes().Patch(ctx, m.cfg.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	if err != nil {
		return nil, fmt.Errorf("sending the node's status: %w", err)
	}
	return got, nil
}

// equalStatus compares without the times of heartbeats, which differ at every look and
// are no news.
func equalStatus(a, b *v1.NodeStatus) bool {
	if len(a.Conditions) != len(b.Conditions) {
		return false
	}
	x, y := *a, *b
	x.Conditions, y.Conditions = withoutHeartbeats(a.Conditions), withoutHeartbeats(b.Conditions)
	return equality.Semantic.DeepEqual(&x, &y)
}

func withoutHeartbeats(in []v1.NodeCondition) []v1.NodeCondition {
	out := slices.Clone(in)
	for i := range out {
		out[i].LastHeartbeatTime = metav1.Time{}
	}
	slices.SortFunc(out, func(a, b v1.NodeCondition) int { return cmp.Compare(a.Type, b.Type) })
	return out
}

// setNodeStatus writes into the status what is so now (setNodeStatus, and the setters of
// pkg/kubelet/nodestatus/setters.go).
func (m *Manager) setNodeStatus(ctx context.Context, node *v1.Node) {
	st := &node.Status
	st.Addresses = []v1.NodeAddress{
		{Type: v1.NodeInternalIP, Address: m.cfg.IP.String()},
		{Type: v1.NodeHostName, Address: m.cfg.Name},
	}
	st.DaemonEndpoints.KubeletEndpoint.Port = m.cfg.Port
	m.setNodeInfo(st)
	m.setMachineInfo(st)
	m.setImages(ctx, st)
	m.setConditions(ctx, node)
}

// setNodeInfo says what machine this is and what runs on it. Another boot ID than before is
// how a reboot is noticed.
func (m *Manager) setNodeInfo(st *v1.NodeStatus) {
	id := m.cfg.Machine.Identity()
	if old := st.NodeInfo.BootID; old != "" && id.BootID != "" && old != id.BootID && !m.rebootReported {
		m.rebootReported = true
		m.event(v1.EventTypeWarning, "Rebooted", fmt.Sprintf("Node %s has been rebooted, boot id: %s", m.cfg.Name, id.BootID))
	}
	st.NodeInfo.MachineID, st.NodeInfo.SystemUUID, st.NodeInfo.BootID = id.MachineID, id.SystemUUID, id.BootID
	st.NodeInfo.KernelVersion, st.NodeInfo.OSImage = id.Kernel, id.OSImage
	st.NodeInfo.OperatingSystem, st.NodeInfo.Architecture = runtime.GOOS, runtime.GOARCH
	st.NodeInfo.KubeletVersion = m.cfg.Version
	if v := m.runtime.version; v != "" {
		st.NodeInfo.ContainerRuntimeVersion = v
	}
}

// setMachineInfo says what the machine has, and what of it pods can have: the rest
// is what pressure thresholds keep free.
func (m *Manager) setMachineInfo(st *v1.NodeStatus) {
	memory, err := m.cfg.Machine.Memory()
	if err != nil {
		slog.Error("reading the memory failed", "error", err)
	}
	disk, err := m.cfg.Machine.FilesystemOf(m.cfg.RootDir)
	if err != nil {
		slog.Error("reading the file system failed", "error", err)
	}
	if st.Capacity == nil {
		st.Capacity = v1.ResourceList{}
	}
	if st.Allocatable == nil {
		st.Allocatable = v1.ResourceList{}
	}
	set := func(name v1.ResourceName, capacity, allocatable int64, format resource.Format) {
		st.Capacity[name] = *resource.NewQuantity(capacity, format)
		st.Allocatable[name] = *resource.NewQuantity(max(allocatable, 0), format)
	}
	cpus := int64(m.cfg.Machine.CPUs())
	set(v1.ResourceCPU, cpus, cpus, resource.DecimalSI)
	set(v1.ResourceMemory, memory.Total, memory.Total-m.cfg.Pressure.MemoryBytes, resource.BinarySI)
	set(v1.ResourceEphemeralStorage, disk.Capacity, disk.Capacity-m.cfg.Pressure.diskReserve(disk.Capacity), resource.BinarySI)
	set(v1.ResourcePods, m.cfg.MaxPods, m.cfg.MaxPods, resource.DecimalSI)
	set("hugepages-1Gi", 0, 0, resource.DecimalSI)
	set("hugepages-2Mi", 0, 0, resource.DecimalSI)
}

// setImages lists the largest images, for schedulers that like a node better that
// has them already.
func (m *Manager) setImages(ctx context.Context, st *v1.NodeStatus) {
	now := m.cfg.Clock.Now()
	if st.Images != nil && now.Sub(m.imagesAt) < imagesPeriod {
		return
	}
	m.imagesAt = now
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	list, err := m.cfg.Images.ListImages(ctx, &cri.ImageFilter{})
	if err != nil {
		return // the runtime's condition says it; what was known stays
	}
	images := make([]v1.ContainerImage, 0, len(list))
	for _, image := range list {
		names := slices.Concat(image.GetRepoDigests(), image.GetRepoTags())
		if len(names) == 0 {
			continue
		}
		slices.Sort(names)
		images = append(images, v1.ContainerImage{Names: names[:min(len(names), maxNames)], SizeBytes: int64(image.GetSize())})
	}
	slices.SortFunc(images, func(a, b v1.ContainerImage) int {
		return cmp.Or(cmp.Compare(b.SizeBytes, a.SizeBytes), cmp.Compare(a.Names[0], b.Names[0]))
	})
	st.Images = images[:min(len(images), maxImages)]
}

// recordConditionEvents records the events of what changed between two statuses. A node
// that has just been made has not become NotReady: that is where it begins.
func (m *Manager) recordConditionEvents(have, now *v1.Node) {
	for _, c := range now.Status.Conditions {
		old := conditions.Node(&have.Status, c.Type)
		if old != nil && old.Status == c.Status {
			continue
		}
		if reason := conditionEvents[c.Type][c.Status]; reason != "" && (old != nil || c.Type != v1.NodeReady) {
			m.statusEvent(reason)
		}
	}
}

// recordSchedulableEvent records it if somebody cordoned or uncordoned the node
// (recordNodeSchedulableEvent).
func (m *Manager) recordSchedulableEvent(node *v1.Node) {
	now := node.Spec.Unschedulable
	if last := m.lastSpecSeen; last != nil && *last != now {
		reason := "NodeSchedulable"
		if now {
			reason = "NodeNotSchedulable"
		}
		m.statusEvent(reason)
	}
	m.lastSpecSeen = &now
}
