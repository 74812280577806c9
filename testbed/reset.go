package testbed

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"golang.org/x/sync/errgroup"

	"noriter.dev/noriter/cluster/install"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/step"
)

// Reset goes back to a snapshot and returns when the cluster is ready again.
// The testbed keeps its machines: a worker that came after the snapshot is made
// anew and joins again, one that was removed since does not come back.
//
// A reset that is interrupted is noted, and the next, or `nori up`, ends it.
func (t *Testbed) Reset(ctx context.Context, to string, o UpOptions) error {
	return t.locked(ctx, "reset", o.Waiting, func(d driver) error { return t.reset(ctx, d, to, o) })
}

// Newer are the workers that a snapshot does not have.
func (t *Testbed) Newer(ctx context.Context, snapshot string) ([]string, error) {
	d, err := t.open()
	if err != nil {
		return nil, err
	}
	snap, err := t.find(ctx, d, snapshot)
	if err != nil {
		return nil, err
	}
	return newReset(t, d, snap, "").newer.names, nil
}

func (t *Testbed) reset(ctx context.Context, d driver, to string, o UpOptions) error {
	snap, err := t.find(ctx, d, to)
	if err != nil {
		return err
	}
	interrupted := t.state.Resetting != ""
	t.state.Resetting = to
	if err := t.home.writeState(t.Name(), t.state); err != nil {
		return err
	}
	r := newReset(t, d, snap, o.BinDir)
	r.interrupted = interrupted
	defer r.close()
	if err := step.Run(ctx, r.steps(), o.Report); err != nil {
		return err
	}
	t.state.Resetting, t.state.Joining, t.state.Faults = "", "", nil
	return t.home.writeState(t.Name(), t.state)
}

// reset is one run of Reset.
type reset struct {
	*Testbed
	driver   driver
	snapshot machine.Snapshot
	cluster  *install.Cluster
	// newer are the workers that the snapshot does not have.
	newer *join
	since time.Time
	// interrupted says that the last reset did not come to its end.
	interrupted bool
}

func newReset(t *Testbed, d driver, snap machine.Snapshot, binDir string) *reset {
	r := &reset{Testbed: t, driver: d, snapshot: snap, cluster: t.newCluster()}
	r.newer = &join{Testbed: t, driver: d, binDir: binDir}
	for _, name := range t.Machines() {
		if slices.Contains(snap.Machines, name) {
			r.cluster.Only = append(r.cluster.Only, name)
		} else {
			r.newer.names = append(r.newer.names, name)
		}
	}
	return r
}

func (r *reset) close() {
	r.newer.close()
	r.cluster.Close()
}

func (r *reset) steps() []step.Step {
	steps := []step.Step{{
		ID: "restore", Title: lang.Text{EN: "Machines put back", KO: "머신 되돌리기"},
		Run: r.restore,
	}, {
		ID: "machines", Title: lang.Text{EN: "Machines answering", KO: "머신 응답"}, Needs: []string{"restore"},
		Run: r.connect,
	}}
	if r.differs() {
		// Before anything waits for DNS: its pod may be on a node that is gone.
		steps = append(steps, step.Step{
			ID: "strangers", Title: lang.Text{EN: "Nodes of then that are gone", KO: "지금은 없는 노드 정리"}, Needs: []string{"machines"},
			Run: r.forgetStrangers,
		})
	}
	steps = append(steps, step.Step{
		ID: "back", Title: lang.Text{EN: "Nodes ready, DNS answering", KO: "노드 준비, DNS 응답"}, Needs: []string{steps[len(steps)-1].ID},
		Run: func(ctx context.Context, note func(string)) error { return r.cluster.WaitReady(ctx, r.since, note) },
	})
	if len(r.newer.names) > 0 {
		steps = append([]step.Step{r.newer.images()}, append(steps, r.newer.stepsAfter("back")...)...)
		steps[1].Needs = []string{"containers"}
	}
	return steps
}

// differs says that the testbed's machines are not those of the snapshot.
func (r *reset) differs() bool {
	return len(r.newer.names) > 0 || len(r.snapshot.Machines) != len(r.cluster.Only)
}

func (r *reset) restore(ctx context.Context, note func(string)) error {
	note(r.snapshot.Name)
	if err := r.prepare(ctx); err != nil {
		return err
	}
	for _, name := range r.newer.names {
		if err := r.driver.RemoveMachine(ctx, name); err != nil {
			return err
		}
	}
	if err := r.driver.Restore(ctx, r.snapshot.Name); err != nil {
		return fmt.Errorf("restoring the snapshot %q: %w", r.snapshot.Name, err)
	}
	return nil
}

// prepare makes the network again where it may have gone, as after a reboot of
// the host, or where the last reset was cut short.
func (r *reset) prepare(ctx context.Context) error {
	infos, err := r.driver.List(ctx)
	if err != nil {
		return err
	}
	off := slices.ContainsFunc(infos, func(i machine.Info) bool { return i.State != machine.Running })
	if !off && !r.interrupted {
		return nil
	}
	if _, err := r.image(); err != nil {
		return nil // what is there has to do
	}
	return r.driver.Prepare(ctx)
}

// connect dials the machines that were put back. After memory was restored, a
// machine's clock is as old as the snapshot: it is stepped before anything else
// looks at it.
func (r *reset) connect(ctx context.Context, _ func(string)) error {
	if !r.snapshot.Memory {
		// The machines boot: a node counts when its agent was heard since.
		// With their memory the agents came back, too.
		r.since = time.Now().Add(-time.Second)
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, name := range r.cluster.Only {
		g.Go(func() error {
			m, err := r.Dial(ctx, name)
			if err != nil {
				return err
			}
			if err := r.setClock(ctx, m); err != nil {
				return err
			}
			r.cluster.SetMachine(m)
			return nil
		})
	}
	return g.Wait()
}

// forgetStrangers deletes the nodes that the restored store speaks of and the
// testbed has no machine for, or not yet again.
func (r *reset) forgetStrangers(ctx context.Context, note func(string)) error {
	nodes, err := r.restoredNodes(ctx)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if slices.Contains(r.cluster.Only, n.Name) {
			continue
		}
		note(n.Name)
		if err := r.forgetNode(ctx, n.Name); err != nil {
			return err
		}
	}
	return nil
}

// restoredNodes waits for the API server that was put back and lists the nodes
// that it has.
func (r *reset) restoredNodes(ctx context.Context) ([]corev1.Node, error) {
	client, err := r.client()
	if err != nil {
		return nil, err
	}
	var nodes []corev1.Node
	var last error
	err = wait.PollUntilContextCancel(ctx, 200*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if last = err; err == nil {
			nodes = list.Items
		}
		return err == nil, nil
	})
	if err != nil {
		return nil, fmt.Errorf("waiting for the API server to list the nodes: %w (last: %w)", err, last)
	}
	return nodes, nil
}
