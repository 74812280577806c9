package testbed

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"noriter.dev/noriter/cluster/install"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/image"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/preflight"
	"noriter.dev/noriter/provision/step"
)

// StartSnapshot is the snapshot that `nori up` takes at its end, and that
// `nori reset` goes back to.
const StartSnapshot = "start"

// UpOptions are what Up needs besides the testbed.
type UpOptions struct {
	// BinDir has the programs that go to the machines.
	BinDir string
	// Report shows the steps.
	Report step.Reporter
	// Waiting is called when another process holds the testbed.
	Waiting func(holder string)
}

// Up brings the testbed from whatever state it is in to a cluster that is
// ready: new, half made, switched off, or running already.
func (t *Testbed) Up(ctx context.Context, o UpOptions) error {
	l, err := t.home.lock(ctx, t.Name(), "up", o.Waiting)
	if err != nil {
		return err
	}
	defer l.release()
	begin := time.Now()
	if err := preflight.Must(ctx, preflight.ForUp(t.Preflight())); err != nil {
		if !t.made() {
			// Nothing of it is there but its declaration.
			err = errors.Join(err, t.forget(l))
		}
		return err
	}
	if err := t.endReset(ctx, o); err != nil {
		return err
	}
	u := &up{Testbed: t, options: o, cluster: t.newCluster()}
	u.cluster.BinDir = o.BinDir
	defer u.cluster.Close()
	if err := step.Run(ctx, u.steps(), o.Report); err != nil {
		return err
	}
	t.took = time.Since(begin)
	t.state.Ready, t.state.Joining = true, ""
	return t.home.writeState(t.Name(), t.state)
}

// Took is how long the last Up of this process took.
func (t *Testbed) Took() time.Duration { return t.took }

// Preflight is what the host is checked for on the testbed's behalf.
func (t *Testbed) Preflight() preflight.Options {
	_, ready := image.Find(t.home.Cache())
	return preflight.Options{
		Driver: t.state.Spec.Driver, Connect: t.state.Spec.Connect, Isolated: t.state.Spec.Isolated,
		Testbed: t.Name(), Dir: t.Dir(), Known: true, Subnet: t.state.Subnet,
		StateDir: t.home.Dir, Nodes: t.state.Spec.Nodes, ImageReady: ready,
	}
}

// up is one run of Up.
type up struct {
	*Testbed
	options UpOptions
	cluster *install.Cluster
	driver  driver
}

func (u *up) steps() []step.Step {
	steps := imageSteps(u.ensureImage, u.ensureContainerImages)
	steps = append(steps, step.Step{
		ID: "network", Title: lang.Text{EN: "Network of the testbed", KO: "테스트베드 네트워크"},
		Needs: []string{"image"},
		Run: func(ctx context.Context, note func(string)) error {
			note(u.state.Subnet.String())
			return u.driver.Prepare(ctx)
		},
	}, step.Step{
		ID: "machines", Title: lang.Text{EN: "Machines", KO: "머신"}, Needs: []string{"network", "containers"},
		Limit: 10 * time.Minute,
		Advice: lang.Text{
			EN: "`nori doctor` checks this host; the machines' consoles are kept in the testbed's folder",
			KO: "`nori doctor`가 이 호스트를 점검합니다. 머신 콘솔 기록은 테스트베드 폴더에 있습니다",
		},
		Run: u.bootMachines,
	})
	steps = append(steps, install.Steps(u.cluster, "machines")...)
	return append(steps, step.Step{
		ID: "snapshot", Title: lang.Text{EN: "Snapshot to reset to", KO: "초기화용 스냅샷"},
		Needs: []string{"ready", "apps", "ingress", "registry"}, Limit: 10 * time.Minute,
		Run: u.saveStart,
	})
}

func (u *up) ensureImage(ctx context.Context, note func(string)) error {
	img, err := u.home.machineImage(ctx, u.state.Spec.Driver, note)
	if err != nil {
		return err
	}
	if u.state.ImageID == "" {
		u.state.ImageID = img.ID
		if err := u.home.writeState(u.Name(), u.state); err != nil {
			return err
		}
	}
	// Machines stay on the image they were made from.
	if img.ID != u.state.ImageID {
		if img, err = u.image(); err != nil {
			return err
		}
	}
	u.driver, err = u.Testbed.driver(img)
	return err
}

func (u *up) ensureContainerImages(ctx context.Context, note func(string)) error {
	return u.useImages(ctx, u.cluster, u.options.BinDir, note)
}

// bootMachines switches all machines on and waits until each answers on SSH.
func (u *up) bootMachines(ctx context.Context, note func(string)) error {
	note(u.driver.Driver())
	var mu sync.Mutex
	answering := 0
	g, ctx := errgroup.WithContext(ctx)
	for _, spec := range u.specs() {
		g.Go(func() error {
			if err := u.driver.Ensure(ctx, spec); err != nil {
				return fmt.Errorf("switching on %s: %w", spec.Name, err)
			}
			m, err := u.Dial(ctx, spec.Name)
			if err != nil {
				return err
			}
			// A restore that was interrupted may just have been completed.
			if err := u.setClock(ctx, m); err != nil {
				return err
			}
			u.cluster.SetMachine(m)
			mu.Lock()
			defer mu.Unlock()
			answering++
			note(fmt.Sprintf("%s %d/%d", u.driver.Driver(), answering, len(u.specs())))
			return nil
		})
	}
	return g.Wait()
}

// endReset ends a reset that was interrupted: half of a testbed of then and
// half of one of now would come to no good together.
func (t *Testbed) endReset(ctx context.Context, o UpOptions) error {
	if t.state.Resetting == "" || !t.made() {
		return nil
	}
	d, err := t.open()
	if err != nil {
		return err
	}
	return t.reset(ctx, d, t.state.Resetting, o)
}

// saveStart keeps the state that `nori reset` goes back to, once: later on
// there is a learner's work in it. Workers that came since join anew.
func (u *up) saveStart(ctx context.Context, note func(string)) error {
	snaps, err := u.driver.Snapshots(ctx)
	if err != nil {
		return fmt.Errorf("looking for snapshots: %w", err)
	}
	for _, s := range snaps {
		if s.Name == StartSnapshot {
			note(lang.T("kept", "그대로 둠"))
			return nil
		}
	}
	if u.state.Spec.Driver == Libvirt {
		// What runs when its memory is saved runs again after every reset: an
		// emulated node took twice as long to be ready while a pod was starting.
		note(lang.T("once the ingress controller serves", "인그레스 컨트롤러가 응답하면 저장"))
		if err := u.cluster.WaitIngress(ctx); err != nil {
			return err
		}
	}
	return u.save(ctx, u.driver, StartSnapshot, u.cluster.Machine)
}

// open makes the driver of a testbed that exists.
func (t *Testbed) open() (driver, error) {
	if err := t.ensureNamespace(); err != nil {
		return nil, err
	}
	img, err := t.image()
	if err != nil {
		// Without its image a testbed can still be looked at and removed.
		img = image.Image{ID: t.state.ImageID, Root: filepath.Join(t.home.Cache(), "gone")}
	}
	return t.driver(img)
}

// List tells of the machines.
func (t *Testbed) List(ctx context.Context) ([]machine.Info, error) {
	d, err := t.open()
	if err != nil {
		return nil, err
	}
	return d.List(ctx)
}
