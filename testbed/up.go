package testbed

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"noriter.dev/noriter/cluster/install"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/preflight"
	"noriter.dev/noriter/provision/step"
)

// StartSnapshot is the snapshot that `nori up` takes at its end, and that
// `nori reset` goes back to.
const StartSnapshot = "start"

// RunOptions are what every run of steps on a testbed needs besides it: Up,
// Reset, AddNode and RemoveNode.
type RunOptions struct {
	// Programs is the folder of the programs that go to the machines.
	Programs string
	// Report shows the steps.
	Report step.Reporter
	// Waiting is called when another process holds the testbed.
	Waiting func(holder string)
}

// Up brings the testbed from whatever state it is in to a cluster that is
// ready: new, half made, switched off, or running already.
func (t *Testbed) Up(ctx context.Context, o RunOptions) error {
	l, err := t.home.lock(ctx, t.Name(), "up", o.Waiting)
	if err != nil {
		return err
	}
	defer l.release()
	if err := t.reread(l); err != nil {
		return err
	}
	begin := time.Now()
	if err := preflight.Must(ctx, preflight.ForUp(t.Preflight())); err != nil {
		if !t.made() {
			// Nothing of it is there but its declaration.
			err = errors.Join(err, t.forget(ctx, l))
		}
		return err
	}
	if err := t.endReset(ctx, o); err != nil {
		return err
	}
	u := &upRun{testbed: t, cluster: t.newCluster(o.Programs), programs: o.Programs}
	defer u.cluster.Close()
	if err := t.run(ctx, u.steps(), t.noteSteps("up", o.Report)); err != nil {
		return err
	}
	if err := t.remember(o.Programs); err != nil {
		return err
	}
	t.took = time.Since(begin)
	t.state.Ready, t.state.Joining = true, ""
	return t.writeState()
}

// Took is how long the last Up of this process took.
func (t *Testbed) Took() time.Duration { return t.took }

// Preflight is what the host is checked for on the testbed's behalf.
func (t *Testbed) Preflight() preflight.Options {
	limit := 0
	if cpus := t.state.cpus(); !t.Traits().OwnKernel {
		limit = max(cpus.Control, cpus.Node)
	}
	return preflight.Options{
		Drivers: hostDrivers(t.state.Spec.Driver, t.Command("up")), Connect: t.state.Spec.Connect, Isolated: t.state.Spec.Isolated,
		Testbed: t.Name(), Dir: t.Dir(), Known: t.made(), Subnet: t.state.Subnet,
		StateDir: t.home.Dir, MachinesMiB: t.state.Spec.sizes(), CPUs: limit, DiskGiB: t.state.Spec.Disk.Control + t.state.Spec.Nodes*t.state.Spec.Disk.Node, ImageReady: t.imageReady(), ImageStocked: imageStocked(),
	}
}

// endReset ends a reset that was interrupted: a testbed half of which is as it
// was and half as it is now can't work.
func (t *Testbed) endReset(ctx context.Context, o RunOptions) error {
	if t.state.Resetting == "" || !t.made() {
		return nil
	}
	p, err := t.open()
	if err != nil {
		return err
	}
	to := t.state.Resetting
	if _, err := t.find(ctx, p, to); err != nil {
		return lang.Errorf("a reset to the snapshot %s was interrupted, and can't be ended: %w\n      `nori reset --name %[3]s` goes back to the start; `nori down --name %[3]s` and `nori up --name %[3]s` make the testbed anew",
			"스냅샷 %s(으)로 되돌리다가 중단되었는데 마무리할 수 없습니다: %w\n      `nori reset --name %[3]s`로 처음 상태로 되돌리거나, `nori down --name %[3]s`, `nori up --name %[3]s`로 새로 만드세요", to, err, t.Name())
	}
	return t.reset(ctx, p, to, o)
}

// upRun is one run of Up.
type upRun struct {
	testbed *Testbed
	// provider is there once the machine image is.
	provider provider
	cluster  *install.Cluster
	programs string
}

func (u *upRun) steps() []step.Step {
	steps := imageSteps(u.ensureImage, u.ensureContainerImages)
	steps = append(steps, step.Step{
		ID: "network", Title: lang.Text{EN: "Network of the testbed", KO: "테스트베드 네트워크"},
		Needs: []string{"image"},
		Run: func(ctx context.Context, note func(string)) error {
			note(u.testbed.state.Subnet.String())
			return u.provider.Prepare(ctx)
		},
	}, step.Step{
		ID: "machines", Title: lang.Text{EN: "Machines", KO: "머신"}, Needs: []string{"network", "containers"},
		Limit: bootLimit,
		Advice: lang.Text{
			EN: "`nori doctor` checks this host; the machines' consoles are kept in the testbed's folder",
			KO: "`nori doctor`가 이 호스트를 점검합니다. 머신 콘솔 기록은 테스트베드 폴더에 있습니다",
		},
		Run: u.bootMachines,
	})
	steps = append(steps, install.Steps(u.cluster, "machines")...)
	return append(steps, step.Step{ID: "snapshot", Title: startTitle, Needs: startNeeds, Limit: snapshotLimit, Run: u.saveStart})
}

// The snapshot to reset to is saved when all else is done.
var (
	startTitle = lang.Text{EN: "Snapshot to reset to", KO: "초기화용 스냅샷"}
	startNeeds = []string{"ready", "apps", "ingress", "registry"}
)

const (
	// bootLimit is how long machines may take to boot and answer.
	bootLimit = 3 * time.Minute
	// snapshotLimit is how long the first snapshot may take, with the ingress
	// controller's pod before it.
	snapshotLimit = 5 * time.Minute
)

func (u *upRun) ensureImage(ctx context.Context, note func(string)) error {
	t := u.testbed
	img, err := t.machineImage(ctx, note)
	if err != nil {
		return err
	}
	if !t.made() {
		t.state.ImageID = img.ID
		if err := t.writeState(); err != nil {
			return err
		}
	}
	if err := t.noteUse(); err != nil {
		return err
	}
	u.provider, err = t.newProvider(img)
	return err
}

func (u *upRun) ensureContainerImages(ctx context.Context, note func(string)) error {
	return u.testbed.useImages(ctx, u.cluster, u.programs, note)
}

// bootMachines switches all machines on and waits until each answers on SSH.
func (u *upRun) bootMachines(ctx context.Context, note func(string)) error {
	t := u.testbed
	if err := u.noteTraits(ctx); err != nil {
		return err
	}
	before, err := u.provider.List(ctx)
	if err != nil {
		return err
	}
	specs := t.specs()
	tell := func(answering int) {
		note(lang.Textf("%s, %d of %d machines answer", "%s, 머신 %[3]d대 중 %[2]d대 응답", t.state.Spec.Driver, answering, len(specs)).String())
	}
	tell(0)
	var mu sync.Mutex
	answering := 0
	g, ctx := errgroup.WithContext(ctx)
	for _, spec := range specs {
		g.Go(func() error {
			if err := switchOn(ctx, u.provider, spec); err != nil {
				return err
			}
			// The clock: a restore that was interrupted may just have been completed.
			m, err := t.connect(ctx, spec.Name, reaching{booting: statusOf(spec.Name, before).State != machine.Running})
			if err != nil {
				return err
			}
			u.cluster.SetMachine(m)
			mu.Lock()
			defer mu.Unlock()
			answering++
			tell(answering)
			return nil
		})
	}
	return g.Wait()
}

func switchOn(ctx context.Context, p provider, spec machine.Spec) error {
	if err := p.Ensure(ctx, spec); err != nil {
		return lang.Errorf("switching on %s: %w", "%s 켜기: %w", spec.Name, err)
	}
	return nil
}

// noteTraits keeps what the provider says of its machines on this host, so that
// commands that only look need not ask it.
func (u *upRun) noteTraits(ctx context.Context) error {
	t := u.testbed
	traits, err := u.provider.Traits(ctx)
	if err != nil {
		return err
	}
	if e := t.state.Emulated; e == nil || *e != traits.Emulated {
		t.state.Emulated = &traits.Emulated
		err = t.writeState()
	}
	u.cluster.Traits = t.Traits()
	return err
}

// saveStart keeps the state that `nori reset` goes back to, once: later on
// there is a learner's work in it. Workers that came since join anew.
func (u *upRun) saveStart(ctx context.Context, note func(string)) error {
	snaps, err := u.provider.Snapshots(ctx)
	if err != nil {
		return lang.Errorf("looking for snapshots: %w", "스냅샷 찾기: %w", err)
	}
	for _, s := range snaps {
		if s.Name == StartSnapshot && !s.Damaged {
			note(lang.T("kept", "그대로 둠"))
			return nil
		}
	}
	return u.replaceStart(ctx, note)
}

// replaceStart saves that state, also where there is one already.
func (u *upRun) replaceStart(ctx context.Context, note func(string)) error {
	t := u.testbed
	if t.Traits().KeepsMemory {
		// What runs when its memory is saved runs again after every reset: an
		// emulated node took twice as long to be ready while a pod was starting.
		note(lang.T("once the ingress controller serves", "인그레스 컨트롤러가 응답하면 저장"))
		if err := u.cluster.WaitIngress(ctx); err != nil {
			return err
		}
	}
	now, err := programsIn(u.programs)
	if err != nil {
		return err
	}
	return t.save(ctx, u.provider, StartSnapshot, now, u.cluster.Machine)
}
