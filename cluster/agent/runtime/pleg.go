package runtime

import (
	"context"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/types"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	kubelettypes "k8s.io/kubelet/pkg/types"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/backoff"
)

const (
	// relistPeriod is how often everything is listed to find what no event told of.
	// Longer than relistAlone, because events tell of nearly everything sooner.
	relistPeriod = 2 * time.Second
	// relistAlone is the period while the runtime sends no events (containerd before 1.7):
	// genericPlegRelistPeriod in pkg/kubelet/kubelet.go.
	relistAlone = time.Second
	// reconnect is the pause before asking again for the stream of events.
	reconnect = 2 * time.Second
	// eventsAhead is how many events may wait for the workers before the runtime has to.
	eventsAhead = 64
)

// Watch is the PLEG, the pod lifecycle event generator (pkg/kubelet/pleg, KEP-3386): it
// calls changed with the UID of every pod whose sandboxes or containers changed, until ctx
// ends. It takes the runtime's stream of events, which tells of an exit within
// milliseconds, and lists everything now and then, because a stream can lose events and
// tells nothing of what happened before it began.
//
// It says only that something changed, and not what. The worker reads the pod anew, and so
// an event that comes late or twice does no harm.
func Watch(ctx context.Context, service Service, changed func(types.UID)) {
	connected := make(chan bool, 1)
	go watchEvents(ctx, service, changed, connected)
	seen := listing{}
	period := relistAlone
	for {
		seen = relist(ctx, service, seen, changed)
		select {
		case <-ctx.Done():
			return
		case up := <-connected:
			if period = relistAlone; up {
				period = relistPeriod
			}
		case <-time.After(period):
		}
	}
}

// watchEvents follows the runtime's events and connects again when they end (EventedPLEG in
// pkg/kubelet/pleg/evented.go).
func watchEvents(ctx context.Context, service Service, changed func(types.UID), connected chan<- bool) {
	report := func(up bool) {
		select {
		case connected <- up:
		default: // the relist loop is behind; the next report will do
		}
	}
	for {
		events := make(chan *cri.ContainerEventResponse, eventsAhead)
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			for e := range events {
				if uid := e.GetPodSandboxStatus().GetMetadata().GetUid(); uid != "" {
					changed(types.UID(uid))
				}
			}
		}()
		err := service.GetContainerEvents(ctx, events, func(cri.RuntimeService_GetContainerEventsClient) { report(true) })
		close(events)
		<-drained
		report(false)
		if ctx.Err() == nil {
			slog.Debug("container events ended; relisting until they are back", "error", err)
		}
		if backoff.Wait(ctx, clock.RealClock{}, reconnect) != nil {
			return
		}
	}
}

// listing is the state of every sandbox and container by ID, and whose each is.
type listing map[string]struct {
	pod   types.UID
	state int32
}

// relist compares what the runtime has with what it had and tells of the differences
// (GenericPLEG.Relist in pkg/kubelet/pleg/generic.go).
func relist(ctx context.Context, service Service, before listing, changed func(types.UID)) listing {
	sandboxes, err := service.ListPodSandbox(ctx, nil)
	if err != nil {
		slog.Warn("listing sandboxes", "error", err)
		return before
	}
	containers, err := service.ListContainers(ctx, nil)
	if err != nil {
		slog.Warn("listing containers", "error", err)
		return before
	}
	now := make(listing, len(sandboxes)+len(containers))
	note := func(id, uid string, state int32) {
		e := now[id]
		e.pod, e.state = types.UID(uid), state
		now[id] = e
	}
	for _, s := range sandboxes {
		note(s.Id, kubelettypes.GetPodUID(s.Labels), int32(s.State))
	}
	for _, c := range containers {
		// Sandbox and container states both start at 0: keep them apart.
		note(c.Id, kubelettypes.GetPodUID(c.Labels), 100+int32(c.State))
	}
	dirty := map[types.UID]bool{}
	for id, e := range now {
		if before[id] != e {
			dirty[e.pod] = true
		}
	}
	for id, e := range before {
		if _, still := now[id]; !still {
			dirty[e.pod] = true
		}
	}
	for uid := range dirty {
		if uid != "" {
			changed(uid)
		}
	}
	return now
}
