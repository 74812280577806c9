package testbed

import (
	"context"
	"errors"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"golang.org/x/sync/errgroup"

	"noriter.dev/noriter/cluster/install"
	"noriter.dev/noriter/internal/format"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/step"
)

// Reset goes back to a snapshot and returns when the cluster is ready again.
// The testbed keeps its machines: a worker that came after the snapshot is made
// anew and joins again, one that was removed since does not come back.
//
// A reset that is interrupted is noted, and the next, or `nori up`, ends it.
func (t *Testbed) Reset(ctx context.Context, to string, o RunOptions) error {
	return t.locked(ctx, "reset", o.Waiting, func(p provider) error { return t.reset(ctx, p, to, o) })
}

// Newer are the workers that a snapshot does not have.
func (t *Testbed) Newer(ctx context.Context, snapshot string) ([]string, error) {
	p, err := t.open()
	if err != nil {
		return nil, err
	}
	snap, err := t.find(ctx, p, snapshot)
	if err != nil {
		return nil, err
	}
	return newResetRun(t, p, snap, "").newer.names, nil
}

func (t *Testbed) reset(ctx context.Context, p provider, to string, o RunOptions) error {
	snap, err := t.find(ctx, p, to)
	if err != nil {
		return err
	}
	if !t.Traits().KeepsMemory { // with their memory, machines need no boot
		if err := t.canBoot(); err != nil {
			return err
		}
	}
	interrupted := t.state.Resetting != ""
	t.state.Resetting = to
	if err := t.writeState(); err != nil {
		return err
	}
	r := newResetRun(t, p, snap, o.Programs)
	r.interrupted = interrupted
	defer r.close()
	if err := t.run(ctx, r.steps(), t.noteSteps("reset", o.Report)); err != nil {
		return err
	}
	if err := t.forgetKinds(); err != nil {
		return err
	}
	t.state.Programs = t.state.Saved[to]
	if err := t.renew(ctx, p, to, o); err != nil {
		return err
	}
	t.state.Resetting, t.state.Joining, t.state.Faults, t.state.Exercise = "", "", nil, nil
	return t.writeState()
}

// canBoot refuses what switches machines off that could not be started again: their
// image may have gone from the cache, or be damaged.
func (t *Testbed) canBoot() error {
	img, err := t.image()
	if err == nil {
		err = img.CanBoot()
	}
	var newer *format.NewerError
	if err == nil || errors.As(err, &newer) {
		return err
	}
	return &Mendable{
		Err: lang.Errorf("the machine image that testbed %q was made from is gone from the cache, or damaged: %w",
			"테스트베드 %q을(를) 만든 머신 이미지가 캐시에 없거나 손상되었습니다: %w", t.Name(), err),
		Remedy: lang.Textf("`nori down --name %s` and `nori up --name %[1]s` make it anew", "`nori down --name %s`, `nori up --name %[1]s` 명령으로 새로 만드세요", t.Name()),
	}
}

// canStay refuses to bring up what was made from an image that is gone and that this
// nori would not make: it makes another.
func (t *Testbed) canStay() error {
	if !t.onOlderImage() {
		return nil
	}
	return t.canBoot()
}

// resetRun is one run of Reset.
type resetRun struct {
	testbed  *Testbed
	provider provider
	snapshot machine.Snapshot
	// cluster has the machines that the snapshot has.
	cluster *install.Cluster
	// newer are the workers that the snapshot does not have.
	newer *joinRun
	since time.Time
	// interrupted says that the last reset did not come to its end.
	interrupted bool
}

func newResetRun(t *Testbed, p provider, snap machine.Snapshot, programs string) *resetRun {
	r := &resetRun{testbed: t, provider: p, snapshot: snap, cluster: t.newCluster(programs)}
	var newer []string
	for _, name := range t.Machines() {
		if slices.Contains(snap.Machines, name) {
			r.cluster.Only = append(r.cluster.Only, name)
		} else {
			newer = append(newer, name)
		}
	}
	r.newer = newJoinRun(t, p, programs, newer...)
	return r
}

func (r *resetRun) close() {
	r.newer.close()
	r.cluster.Close()
}

func (r *resetRun) steps() []step.Step {
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
			ID: "gone", Title: lang.Text{EN: "Nodes that have no machine any more", KO: "지금은 없는 노드 정리"}, Needs: []string{"machines"},
			Run: r.forgetGoneNodes,
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
func (r *resetRun) differs() bool {
	return len(r.newer.names) > 0 || len(r.snapshot.Machines) != len(r.cluster.Only)
}

func (r *resetRun) restore(ctx context.Context, note func(string)) error {
	note(r.snapshot.Name)
	if err := r.prepare(ctx); err != nil {
		return err
	}
	for _, name := range r.newer.names {
		if err := r.provider.RemoveMachine(ctx, name); err != nil {
			return err
		}
	}
	return wait.During(ctx, lang.Textf("the machines to be put back to %q", "머신을 %q(으)로 되돌리기", r.snapshot.Name), nil,
		func(ctx context.Context) error { return r.provider.Restore(ctx, r.snapshot.Name) })
}

// prepare makes the network again where it may have gone, as after a reboot of
// the host, or where the last reset was cut short.
func (r *resetRun) prepare(ctx context.Context) error {
	infos, err := r.provider.List(ctx)
	if err != nil {
		return err
	}
	off := slices.ContainsFunc(infos, func(i machine.Info) bool { return i.State != machine.Running })
	if !off && !r.interrupted {
		return nil
	}
	if _, err := r.testbed.image(); err != nil {
		return nil // machines with their memory in the snapshot may do without
	}
	return r.provider.Prepare(ctx)
}

// connect dials the machines that were put back. After memory was restored, a
// machine's clock is as old as the snapshot: it is stepped before anything else
// looks at it.
func (r *resetRun) connect(ctx context.Context, _ func(string)) error {
	if !r.snapshot.Memory {
		// The machines boot: a node counts when its agent was heard since.
		// With their memory the agents came back, too.
		r.since = time.Now().Add(-time.Second)
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, name := range r.cluster.Only {
		g.Go(func() error {
			m, err := r.testbed.connect(ctx, name, reaching{booting: !r.snapshot.Memory})
			if err != nil {
				return err
			}
			r.cluster.SetMachine(m)
			return nil
		})
	}
	return g.Wait()
}

// forgetGoneNodes deletes the nodes that the restored store speaks of and the
// testbed has no machine for, or not yet again.
func (r *resetRun) forgetGoneNodes(ctx context.Context, note func(string)) error {
	client, err := r.testbed.client()
	if err != nil {
		return err
	}
	nodes, err := restoredNodes(ctx, client, r.cluster.Regain)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if slices.Contains(r.cluster.Only, n.Name) {
			continue
		}
		note(n.Name)
		if err := forgetNode(ctx, client, n.Name); err != nil {
			return err
		}
	}
	return nil
}

// restoredNodes waits for the API server that was put back and lists the nodes
// that it has. regain mends what refuses us.
func restoredNodes(ctx context.Context, client kubernetes.Interface, regain func(context.Context, error) error) ([]v1.Node, error) {
	var nodes []v1.Node
	err := wait.Until(ctx, 200*time.Millisecond, lang.Text{EN: "the API server to list the nodes", KO: "API 서버의 노드 목록"},
		func(ctx context.Context) (bool, string, error) {
			list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
			if err = regain(ctx, err); err != nil { // it may only just have started
				return false, err.Error(), nil
			}
			nodes = list.Items
			return true, "", nil
		})
	return nodes, err
}
