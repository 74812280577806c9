package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"noriter.dev/noriter/cluster/conditions"
)

// runtimeDown is for how long the runtime may not answer before the node counts as
// not ready: maxWaitForContainerRuntime in pkg/kubelet/kubelet.go.
const runtimeDown = 30 * time.Second

// conditionEvents names the event for a condition that has changed to a status.
var conditionEvents = map[v1.NodeConditionType]map[v1.ConditionStatus]string{
	v1.NodeReady:          {v1.ConditionTrue: "NodeReady", v1.ConditionFalse: "NodeNotReady"},
	v1.NodeMemoryPressure: {v1.ConditionTrue: "NodeHasInsufficientMemory", v1.ConditionFalse: "NodeHasSufficientMemory"},
	v1.NodeDiskPressure:   {v1.ConditionTrue: "NodeHasDiskPressure", v1.ConditionFalse: "NodeHasNoDiskPressure"},
	v1.NodePIDPressure:    {v1.ConditionTrue: "NodeHasInsufficientPID", v1.ConditionFalse: "NodeHasSufficientPID"},
}

// pressureTexts are reason and message of a pressure condition: [not under, under].
var pressureTexts = map[v1.NodeConditionType][2][2]string{
	v1.NodeMemoryPressure: {
		{"KubeletHasSufficientMemory", "kubelet has sufficient memory available"},
		{"KubeletHasInsufficientMemory", "kubelet has insufficient memory available"},
	},
	v1.NodeDiskPressure: {
		{"KubeletHasNoDiskPressure", "kubelet has no disk pressure"},
		{"KubeletHasDiskPressure", "kubelet has disk pressure"},
	},
	v1.NodePIDPressure: {
		{"KubeletHasSufficientPID", "kubelet has sufficient PID available"},
		{"KubeletHasInsufficientPID", "kubelet has insufficient PID available"},
	},
}

// setConditions judges the machine and the runtime (MemoryPressureCondition,
// ReadyCondition and the others in pkg/kubelet/nodestatus/setters.go). Ready comes last,
// where `kubectl describe node` has it.
func (m *Manager) setConditions(ctx context.Context, node *v1.Node) {
	now := m.cfg.Clock.Now()
	under := m.pressure.look(ctx, &m.cfg, now)
	for _, kind := range []v1.NodeConditionType{v1.NodeMemoryPressure, v1.NodeDiskPressure, v1.NodePIDPressure} {
		text, status := pressureTexts[kind][0], v1.ConditionFalse
		if under[kind] {
			text, status = pressureTexts[kind][1], v1.ConditionTrue
		}
		setCondition(&node.Status, kind, status, text[0], text[1], now)
	}
	if err := utilerrors.NewAggregate(m.runtime.errs(now)); err != nil {
		setCondition(&node.Status, v1.NodeReady, v1.ConditionFalse, "KubeletNotReady", err.Error(), now)
		return
	}
	setCondition(&node.Status, v1.NodeReady, v1.ConditionTrue, "KubeletReady", "kubelet is posting ready status", now)
}

// setCondition changes a condition in its place; the time of transition stays if
// the status does. A changed reason or message is no transition.
func setCondition(st *v1.NodeStatus, kind v1.NodeConditionType, status v1.ConditionStatus, reason, message string, now time.Time) {
	at := metav1.NewTime(now).Rfc3339Copy()
	next := v1.NodeCondition{Type: kind, Status: status, Reason: reason, Message: message, LastHeartbeatTime: at, LastTransitionTime: at}
	old := conditions.Node(st, kind)
	if old == nil {
		st.Conditions = append(st.Conditions, next)
		return
	}
	if old.Status == status {
		next.LastTransitionTime = old.LastTransitionTime
	}
	*old = next
}

// runtimeState is what the container runtime last said of itself (runtimeState in
// pkg/kubelet/runtime.go).
type runtimeState struct {
	version          string
	answered         time.Time
	runtime, network error
}

// look asks the runtime.
func (r *runtimeState) look(ctx context.Context, runtime Runtime, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	got, err := runtime.Status(ctx, false)
	if err != nil {
		slog.Debug("the container runtime doesn't answer", "error", err)
		return
	}
	r.network = conditionError("container runtime network not ready", got.GetStatus(), cri.NetworkReady)
	r.runtime = conditionError("container runtime not ready", got.GetStatus(), cri.RuntimeReady)
	if r.runtime != nil {
		return
	}
	if r.version == "" || now.Sub(r.answered) > runtimeDown {
		if v, err := runtime.Version(ctx, "v1"); err == nil {
			r.version = v.GetRuntimeName() + "://" + v.GetRuntimeVersion()
		}
	}
	r.answered = now
}

// conditionError puts a condition of the runtime that isn't met into an error.
func conditionError(text string, status *cri.RuntimeStatus, kind string) error {
	for _, c := range status.GetConditions() {
		if c.GetType() != kind {
			continue
		}
		if c.GetStatus() {
			return nil
		}
		return fmt.Errorf("%s: %s=%t reason:%s message:%s", text, kind, c.GetStatus(), c.GetReason(), c.GetMessage())
	}
	return fmt.Errorf("%s: the runtime says nothing of %s", text, kind)
}

// errs says why the runtime can't run pods.
func (r *runtimeState) errs(now time.Time) []error {
	var errs []error
	switch {
	case r.runtime != nil: // it says so itself
	case r.answered.IsZero():
		errs = append(errs, errors.New("container runtime status check may not have completed yet"))
	case now.Sub(r.answered) > runtimeDown:
		errs = append(errs, errors.New("container runtime is down"))
	}
	for _, err := range []error{r.runtime, r.network} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}
