package status

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/util/workqueue"

	"noriter.dev/noriter/cluster/conditions"
)

const (
	// writers is how many statuses are written at the same time. Upstream writes one after
	// the other, and a slow request delays the status of every other pod of the node.
	writers = 4
	// A write that failed is tried again after writeFirst, which doubles up to writeMost.
	writeFirst = 100 * time.Millisecond
	writeMost  = 10 * time.Second
	// writeTimeout bounds one request; the next attempt follows by itself.
	writeTimeout = 15 * time.Second
)

// Manager brings generated statuses to the API (manager in
// pkg/kubelet/status/status_manager.go). Several changes of one pod while a request is
// under way become one request; pods don't wait for each other.
type Manager struct {
	client typedcorev1.PodsGetter
	queue  workqueue.TypedRateLimitingInterface[types.UID]

	mu   sync.Mutex
	pods map[types.UID]*record
}

// record is what the manager knows of one pod (versionedPodStatus of upstream).
type record struct {
	api      *v1.Pod // the newest version seen, from the watch or from a response
	desired  *v1.PodStatus
	running  bool // containers may still run
	finished bool // nothing of the pod is left on the node: it may be deleted
}

// NewManager writes through client once Run is called.
func NewManager(client typedcorev1.PodsGetter) *Manager {
	return &Manager{
		client: client,
		queue: workqueue.NewTypedRateLimitingQueue(
			workqueue.NewTypedItemExponentialFailureRateLimiter[types.UID](writeFirst, writeMost)),
		pods: map[types.UID]*record{},
	}
}

// Run writes statuses until ctx ends.
func (m *Manager) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for {
				uid, stop := m.queue.Get()
				if stop {
					return
				}
				m.process(ctx, uid)
			}
		})
	}
	<-ctx.Done()
	m.queue.ShutDown()
	wg.Wait()
}

// UpdatePod takes note of the pod as the API has it. It writes again if someone else has
// changed what is the agent's to say.
func (m *Manager) UpdatePod(pod *v1.Pod) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.record(pod.UID)
	if r.api == nil || atLeast(pod, r.api) {
		r.api = pod
	}
	if r.finished || r.desired != nil && needsReconcile(pod, r.desired) {
		m.queue.Add(pod.UID)
	}
}

// record finds or makes what is known of a pod. m.mu is held.
func (m *Manager) record(uid types.UID) *record {
	r := m.pods[uid]
	if r == nil {
		r = &record{}
		m.pods[uid] = r
	}
	return r
}

// needsReconcile is true if someone else overwrote one of the agent's conditions.
func needsReconcile(pod *v1.Pod, desired *v1.PodStatus) bool {
	for i := range desired.Conditions {
		c := &desired.Conditions[i]
		if have := conditions.Pod(&pod.Status, c.Type); owned[c.Type] && (have == nil || have.Status != c.Status) {
			return true
		}
	}
	return false
}

// atLeast tells whether a is the same state of a pod as b, or a later one. What has no
// resource version counts as new.
func atLeast(a, b *v1.Pod) bool {
	order, err := resourceversion.CompareResourceVersion(a.ResourceVersion, b.ResourceVersion)
	return err != nil || order >= 0
}

// GetPodStatus is the status generated last, if any since the agent started. It is newer
// than what the API has, by as much as a write takes.
func (m *Manager) GetPodStatus(uid types.UID) (v1.PodStatus, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.pods[uid]; r != nil && r.desired != nil {
		return *r.desired, true
	}
	return v1.PodStatus{}, false
}

// SetPodStatus wants the pod to have that status. While running, Succeeded and Failed are
// held back: whoever waits for them counts on nothing running any more.
func (m *Manager) SetPodStatus(pod *v1.Pod, s v1.PodStatus, running bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.record(pod.UID)
	if r.api == nil {
		r.api = pod
	}
	if r.desired != nil && r.running == running && equality.Semantic.DeepEqual(*r.desired, s) {
		return
	}
	r.desired, r.running = &s, running
	m.queue.Add(pod.UID)
}

// TerminatePod says that nothing of the pod is left on the node. If the pod is being
// deleted, the API object goes now: the API server keeps it for as long as the node may
// have something of it, so that a pod of the same name starts only after its end.
func (m *Manager) TerminatePod(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.pods[uid]; r != nil {
		r.finished = true
		m.queue.Add(uid)
	}
}

// DeletePodStatus drops a pod that the API no longer has.
func (m *Manager) DeletePodStatus(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.pods, uid)
}

// process takes one pod off the queue; what failed comes back after a pause.
func (m *Manager) process(ctx context.Context, uid types.UID) {
	defer m.queue.Done(uid)
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if err := m.syncPod(ctx, uid); err != nil {
		if ctx.Err() == nil {
			slog.Warn("writing a pod's status", "uid", string(uid), "error", err)
		}
		m.queue.AddRateLimited(uid)
		return
	}
	m.queue.Forget(uid)
}

// syncPod brings one pod up to date: its status first, then its deletion. In this order, or
// whoever watches the deletion would never see how the pod ended.
func (m *Manager) syncPod(ctx context.Context, uid types.UID) error {
	m.mu.Lock()
	r := m.pods[uid]
	if r == nil || r.desired == nil {
		m.mu.Unlock()
		return nil
	}
	api, want, finished := r.api, mergePodStatus(r.api.Status, *r.desired, r.running), r.finished
	m.mu.Unlock()

	patch, err := patchFor(api, want)
	if err != nil {
		return fmt.Errorf("pod %s/%s: %w", api.Namespace, api.Name, err)
	}
	if patch != nil {
		updated, err := m.client.Pods(api.Namespace).Patch(ctx, api.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
		if gone(err) {
			return nil // the watch will tell, or has told
		}
		if err != nil {
			return fmt.Errorf("patching the status of pod %s/%s: %w", api.Namespace, api.Name, err)
		}
		m.UpdatePod(updated)
		api = updated
	}
	if !finished || api.DeletionTimestamp == nil || !IsPodPhaseTerminal(api.Status.Phase) {
		return nil
	}
	now := int64(0)
	err = m.client.Pods(api.Namespace).Delete(ctx, api.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &now,
		// A new pod may have the old one's name by now.
		Preconditions: metav1.NewUIDPreconditions(string(uid)),
	})
	if err != nil && !gone(err) {
		return fmt.Errorf("deleting pod %s/%s, which has ended: %w", api.Namespace, api.Name, err)
	}
	return nil
}

// gone means that the pod is not there any more, or that one of the same name with
// another UID is: a patch is then found invalid, a deletion in conflict.
func gone(err error) bool {
	var refused apierrors.APIStatus
	if apierrors.IsInvalid(err) && errors.As(err, &refused) && refused.Status().Details != nil {
		for _, cause := range refused.Status().Details.Causes {
			if cause.Field == "metadata.uid" {
				return true
			}
		}
	}
	return apierrors.IsNotFound(err) || apierrors.IsConflict(err)
}

// mergePodStatus is what the API's status becomes: the agent's fields and conditions as
// wanted, everything else as it is. The status has other authors, too: the scheduler, the
// preemption of pods, whoever owns a readiness gate.
func mergePodStatus(api, want v1.PodStatus, running bool) v1.PodStatus {
	out := *api.DeepCopy()
	if !IsPodPhaseTerminal(api.Phase) || IsPodPhaseTerminal(want.Phase) {
		if !IsPodPhaseTerminal(want.Phase) || !running || IsPodPhaseTerminal(api.Phase) {
			out.Phase, out.Reason, out.Message = want.Phase, want.Reason, want.Message
		}
	}
	out.ObservedGeneration = max(api.ObservedGeneration, want.ObservedGeneration)
	out.HostIP, out.HostIPs, out.PodIP, out.PodIPs = want.HostIP, want.HostIPs, want.PodIP, want.PodIPs
	out.StartTime = want.StartTime
	out.InitContainerStatuses = want.InitContainerStatuses
	out.ContainerStatuses = want.ContainerStatuses
	out.EphemeralContainerStatuses = want.EphemeralContainerStatuses
	out.Resources, out.AllocatedResources = want.Resources, want.AllocatedResources
	if out.QOSClass == "" {
		out.QOSClass = want.QOSClass
	}
	out.Conditions = nil
	for _, c := range api.Conditions {
		if !owned[c.Type] {
			out.Conditions = append(out.Conditions, c)
		}
	}
	for _, c := range want.Conditions {
		if owned[c.Type] {
			out.Conditions = append(out.Conditions, c)
		}
	}
	return out
}

// patchFor is the strategic merge patch from the API's status to the wanted one, nil
// if they are equal. The UID in it makes the server refuse to patch a namesake.
func patchFor(api *v1.Pod, want v1.PodStatus) ([]byte, error) {
	before, err := json.Marshal(v1.Pod{Status: api.Status})
	if err != nil {
		return nil, fmt.Errorf("encoding the status before: %w", err)
	}
	after, err := json.Marshal(v1.Pod{ObjectMeta: metav1.ObjectMeta{UID: api.UID}, Status: want})
	if err != nil {
		return nil, fmt.Errorf("encoding the status after: %w", err)
	}
	patch, err := strategicpatch.CreateTwoWayMergePatch(before, after, v1.Pod{})
	if err != nil {
		return nil, fmt.Errorf("comparing statuses: %w", err)
	}
	if bytes.Equal(patch, fmt.Appendf(nil, `{"metadata":{"uid":%q}}`, api.UID)) {
		return nil, nil
	}
	return patch, nil
}
