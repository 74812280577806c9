package testbed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"time"

	"noriter.dev/noriter/cluster/install"
	"noriter.dev/noriter/internal/build"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/filesum"
	"noriter.dev/noriter/provision/step"
)

// Programs are those that run on a testbed's machines.
type Programs struct {
	// Nori is the one that brought them.
	Nori string `json:"nori"`
	// Sum tells programs from others of the same version.
	Sum string `json:"sum"`
}

// sent are the programs that go to the machines.
var sent = []string{"nori-control", "nori-node"}

// programsIn are those of a folder.
func programsIn(dir string) (Programs, error) {
	all := sha256.New()
	for _, name := range sent {
		sum, err := filesum.Of(filepath.Join(dir, name))
		if err != nil {
			return Programs{}, lang.Errorf("reading %s: %w", "%s 읽기: %w", name, err)
		}
		fmt.Fprintf(all, "%s %s\n", name, sum.SHA256)
	}
	return Programs{Nori: build.Version(), Sum: hex.EncodeToString(all.Sum(nil)[:8])}, nil
}

// by names the nori of some programs, for a sentence.
func (p Programs) by() lang.Text {
	if p.Nori == "" {
		return lang.Text{EN: "an older nori", KO: "이전 nori"} // which did not note it
	}
	return lang.Textf("nori %s", "nori %s", p.Nori)
}

// remember keeps that the machines run the programs of a folder.
func (t *Testbed) remember(dir string) error {
	p, err := programsIn(dir)
	if err != nil {
		return err
	}
	t.state.Programs = p
	return nil
}

// forgetSaved and noteSaved stand around the saving of a snapshot: in between, nobody
// can say which programs the one of that name has.
func (t *Testbed) forgetSaved(name string) error {
	if _, ok := t.state.Saved[name]; !ok {
		return nil
	}
	delete(t.state.Saved, name)
	return t.writeState()
}

func (t *Testbed) noteSaved(name string, p Programs) error {
	if p.Sum == "" {
		return nil // brought by a nori that did not say
	}
	if t.state.Saved == nil {
		t.state.Saved = map[string]Programs{}
	}
	t.state.Saved[name] = p
	return t.writeState()
}

// Outdated says whether a snapshot has other programs than those of a folder, so that
// going back to it takes the time of a `nori up`.
func (t *Testbed) Outdated(snapshot, programs string) (bool, error) {
	p, err := programsIn(programs)
	return err == nil && t.state.Saved[snapshot].Sum != p.Sum, err
}

// otherPrograms says that the machines run others than those of a folder.
func (t *Testbed) otherPrograms(dir string) bool {
	p, err := programsIn(dir)
	return err == nil && t.state.Programs.Sum != p.Sum
}

// renew brings this nori's programs to machines that were put back to a snapshot with
// others. What `nori reset` goes back to is then saved anew, with them, so that the
// next reset is quick: there is nobody's work in it yet.
func (t *Testbed) renew(ctx context.Context, p provider, snapshot string, o RunOptions) error {
	if o.Programs == "" {
		return nil
	}
	old, err := t.Outdated(snapshot, o.Programs)
	if err != nil || !old {
		return err
	}
	step.Say(step.Hearing(ctx, o.Report), lang.Textf(
		"the snapshot %q has the programs of %s; bringing those of this nori (%s)",
		"스냅샷 %q에는 %s의 프로그램이 있습니다. 이 nori(%s)의 것으로 바꿉니다", snapshot, t.state.Saved[snapshot].by(), build.Version()).String())
	u := &upRun{testbed: t, cluster: t.newCluster(o.Programs), programs: o.Programs, provider: p}
	defer u.cluster.Close()
	if err := t.run(ctx, renamed(u.renewal(snapshot)), t.noteSteps("reset", o.Report)); err != nil {
		return err
	}
	return t.remember(o.Programs)
}

// renewal are the steps of `nori up` but for those that a machine which runs has
// behind it.
func (u *upRun) renewal(snapshot string) []step.Step {
	steps := []step.Step{{
		ID: "containers", Title: lang.Text{EN: "Container images", KO: "컨테이너 이미지"}, Limit: 30 * time.Minute,
		Run: u.ensureContainerImages,
	}, {
		ID: "machines", Title: lang.Text{EN: "Machines", KO: "머신"}, Needs: []string{"containers"}, Limit: 10 * time.Minute,
		Run: u.bootMachines,
	}}
	steps = append(steps, install.Steps(u.cluster, "machines")...)
	if snapshot != StartSnapshot {
		return steps
	}
	return append(steps, step.Step{
		ID: "snapshot", Title: startTitle, Needs: startNeeds, Limit: 10 * time.Minute,
		Run: u.replaceStart,
	})
}

// renamed gives steps IDs of their own, beside those of the list that ran before them.
func renamed(steps []step.Step) []step.Step {
	for i := range steps {
		s := &steps[i]
		s.ID = "renew " + s.ID
		needs := make([]string, len(s.Needs))
		for j, n := range s.Needs {
			needs[j] = "renew " + n
		}
		s.Needs = needs
	}
	return steps
}
