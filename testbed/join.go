package testbed

import (
	"context"
	"slices"
	"time"

	"noriter.dev/noriter/cluster/install"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/step"
)

// AddNode makes another worker and has it join the running cluster. Without a
// name it is the one whose joining was interrupted, or else the lowest that is
// free. It returns the worker's name.
func (t *Testbed) AddNode(ctx context.Context, name string, o RunOptions) (string, error) {
	if name != "" {
		if err := checkWorker(name); err != nil {
			return "", err
		}
	}
	err := t.locked(ctx, "node add", o.Waiting, func(p provider) error {
		if err := t.Answering(ctx); err != nil {
			return err
		}
		if err := t.canBoot(); err != nil {
			return err
		}
		var err error
		if name, err = t.admit(name); err != nil {
			return err
		}
		j := newJoinRun(t, p, o.Programs, name)
		defer j.close()
		if old := t.state.Programs; t.otherPrograms(o.Programs) {
			step.Say(step.Hearing(ctx, o.Report), lang.Textf(
				"the machines that are there run the programs of %s; `nori up --name %s` brings them those of this nori",
				"지금 있는 머신에서는 %s의 프로그램이 돌고 있습니다. `nori up --name %s`(으)로 이 nori의 것으로 바꿉니다", old.by(), t.Name()).String())
		}
		if err := t.run(ctx, j.steps(), t.noteSteps("node add", o.Report)); err != nil {
			return err
		}
		t.state.Joining = ""
		return t.writeState()
	})
	return name, err
}

// admit writes a new worker down before anything of it is made.
func (t *Testbed) admit(name string) (string, error) {
	if name == "" {
		name = t.state.Joining
	}
	if name == "" {
		free, err := t.state.freeWorker()
		if err != nil {
			return "", err
		}
		name = free
	}
	if slices.Contains(t.state.workers(), name) {
		if name != t.state.Joining {
			return "", usage("testbed %q has %s already; its machines are %v", "테스트베드 %q에 %s이(가) 이미 있습니다. 머신: %v", t.Name(), name, t.Machines())
		}
		return name, nil
	}
	t.state.setWorkers(append(t.state.workers(), name))
	t.state.Joining = name
	return name, t.writeState()
}

// joinRun is one run of workers joining a cluster.
type joinRun struct {
	testbed  *Testbed
	provider provider
	cluster  *install.Cluster
	programs string
	names    []string
}

func newJoinRun(t *Testbed, p provider, programs string, names ...string) *joinRun {
	j := &joinRun{testbed: t, provider: p, cluster: t.newCluster(programs), programs: programs, names: names}
	j.cluster.Only = names
	return j
}

func (j *joinRun) steps() []step.Step {
	return append([]step.Step{j.images()}, j.stepsAfter("containers")...)
}

// images is the step that needs nothing of the testbed, so that it can come
// before anything is changed.
func (j *joinRun) images() step.Step {
	return step.Step{
		ID: "containers", Title: lang.Text{EN: "Container images", KO: "컨테이너 이미지"}, Limit: 30 * time.Minute,
		Run: func(ctx context.Context, note func(string)) error {
			return j.testbed.useImages(ctx, j.cluster, j.programs, note)
		},
	}
}

// stepsAfter are the steps that follow the one given, and images.
func (j *joinRun) stepsAfter(last string) []step.Step {
	steps := []step.Step{{
		ID: "newcomer", Title: lang.Text{EN: "Machine", KO: "머신"}, Needs: []string{last}, Limit: bootLimit,
		Run: func(ctx context.Context, note func(string)) error { return j.boot(ctx) },
	}}
	return append(steps, install.JoinSteps(j.cluster, "newcomer")...)
}

// boot switches the new machines on and connects to all that answer.
func (j *joinRun) boot(ctx context.Context) error {
	if err := j.provider.Prepare(ctx); err != nil {
		return err
	}
	for _, spec := range j.testbed.specs() {
		if slices.Contains(j.names, spec.Name) {
			if err := switchOn(ctx, j.provider, spec); err != nil {
				return err
			}
		}
	}
	for _, name := range append([]string{ControlName}, j.names...) {
		m, err := j.testbed.connect(ctx, name, reaching{booting: name != ControlName})
		if err != nil {
			return err
		}
		j.cluster.SetMachine(m)
	}
	j.testbed.dialOthers(ctx, j.cluster)
	return nil
}

func (j *joinRun) close() { j.cluster.Close() }
