package run

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/field"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/progress"
	"noriter.dev/noriter/labs/world"
)

// Time limits of what setup waits for.
const (
	reachLimit     = 15 * time.Second
	accountLimit   = 30 * time.Second
	setupWaitLimit = 90 * time.Second
)

// labLabel marks a lab's namespace.
const labLabel = "noriter.dev/lab"

// Say is told, in the current language, what is being done.
type Say func(text string)

// Start brings the learner to where the lab is: it sets a new lab up,
// completes a setup or reset that was interrupted, or, when the cluster was
// put back meanwhile, builds the lab's world again up to the open step.
func (s *Session) Start(ctx context.Context, say Say) error {
	return s.alone(ctx, say, s.start)
}

func (s *Session) start(ctx context.Context, say Say) error {
	if err := s.Requirements(ctx); err != nil {
		return err
	}
	var phase progress.Phase
	err := s.Store.Update(func(all *progress.State) error {
		s.adopt(all)
		l := all.Labs[s.Lab.Key()]
		if l == nil {
			l = s.fresh(nil)
			all.Labs[s.Lab.Key()] = l
		}
		all.Current, phase, l.Namespace = s.Lab.Key(), l.Phase, s.Namespace
		return nil
	})
	if err != nil {
		return err
	}
	switch phase {
	case progress.Resetting:
		say(lang.T("completing a reset that was interrupted", "중단된 초기화를 마무리합니다"))
		return s.reset(ctx, say)
	case progress.SettingUp:
		return s.setup(ctx, say)
	}
	state, err := s.State()
	if err != nil {
		return err
	}
	there, err := s.world(state).IsThere(ctx)
	if err != nil {
		return err
	}
	if phase == progress.Rebuilding || !there && phase != progress.Done {
		say(lang.T("the lab's world is not there any more, or not whole: building it again up to where you were",
			"실습 환경이 없거나 온전하지 않습니다. 진행하던 곳까지 다시 만듭니다"))
		return s.rebuild(ctx, state, say)
	}
	if phase == progress.Done {
		return s.setNamespace("") // nothing is open
	}
	return s.enter(ctx, state)
}

// adopt takes over what an older version has kept of a lab from elsewhere under its id
// alone.
func (s *Session) adopt(all *progress.State) {
	if old := all.Labs[s.Lab.ID]; s.Lab.Path != "" && !s.Lab.Twin && old != nil && all.Labs[s.Lab.Key()] == nil {
		all.Labs[s.Lab.Key()] = old
		delete(all.Labs, s.Lab.ID)
	}
}

// Requirements sees that the cluster answers and is what the lab needs, and that nobody
// else has its namespace.
func (s *Session) Requirements(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.patient(reachLimit))
	defer cancel()
	nodes, err := s.Cluster.List(ctx, "Node", "v1", "", "")
	if err != nil {
		return fmt.Errorf("the testbed's API server doesn't answer: %w", err)
	}
	if err := s.world(&progress.Lab{}).Check(ctx); err != nil {
		return fmt.Errorf("lab %s: %w", s.Lab.ID, err)
	}
	if s.Lab.Testbed.Any {
		return nil
	}
	ready := 0
	for i := range nodes {
		if usable(&nodes[i]) {
			ready++
		}
	}
	if ready < s.Lab.Testbed.Nodes {
		return fmt.Errorf("the lab %s needs %d workers that are Ready, this testbed has %d\n"+
			"    remedy: `%[4]s up` repairs the testbed, `%[4]s kubectl get nodes` shows its nodes", s.Lab.ID, s.Lab.Testbed.Nodes, ready, s.Env.Nori())
	}
	for _, st := range s.Lab.Setup {
		if st.Node != nil && s.Cluster.Nodes == nil {
			return fmt.Errorf("the lab %s prepares machines, but the machines of this cluster can't be reached", s.Lab.ID)
		}
	}
	return nil
}

// usable is a node that is Ready and takes ordinary pods.
func usable(node *unstructured.Unstructured) bool {
	taints, _, _ := unstructured.NestedSlice(node.Object, "spec", "taints") // none is none
	for _, t := range taints {
		if m, ok := t.(map[string]any); ok && (m["effect"] == "NoSchedule" || m["effect"] == "NoExecute") {
			return false
		}
	}
	return expr.Ready(node.Object)
}

// setup makes the lab's world and opens the lab.
func (s *Session) setup(ctx context.Context, say Say) error {
	state, err := s.State()
	if err != nil {
		return err
	}
	if err := s.prepare(ctx, state, say); err != nil {
		return err
	}
	return s.update(func(l *progress.Lab) error {
		l.Phase = progress.Underway
		l.StepState(l.Step).Opened = now()
		return nil
	})
}

// prepare makes namespace, files and what the lab's setup lists. Every part
// can be done again.
func (s *Session) prepare(ctx context.Context, state *progress.Lab, say Say) error {
	say(lang.Textf("preparing the namespace %s", "%s 네임스페이스를 준비합니다", s.Namespace).String())
	if err := s.world(state).Make(ctx, s.patient(accountLimit), s.removeObjects); err != nil {
		return err
	}
	if err := s.handOutFiles(state, s.work()); err != nil {
		return err
	}
	if err := s.enter(ctx, state); err != nil {
		return err
	}
	for i := range s.Lab.Setup {
		if err := s.prepareOne(ctx, state, &s.Lab.Setup[i]); err != nil {
			return fmt.Errorf("setting up the lab %s: %w", s.Lab.ID, err)
		}
	}
	return nil
}

// enter points the learner's kubectl at the lab's namespace.
func (s *Session) enter(_ context.Context, _ *progress.Lab) error {
	return s.setNamespace(s.Namespace)
}

// world is the lab's namespace. What tells an attempt from another is when it
// was started.
func (s *Session) world(state *progress.Lab) *world.Namespace {
	return &world.Namespace{Cluster: s.Cluster, Name: s.Namespace, Labels: map[string]any{labLabel: s.Lab.ID},
		Attempt: state.Started.UTC().Format(time.RFC3339), Origin: s.Lab.Path, Twin: s.Lab.Twin}
}

// prepareOne does one entry of the lab's setup.
func (s *Session) prepareOne(ctx context.Context, state *progress.Lab, st *format.Setup) error {
	if st.If != nil {
		wanted, err := s.Cluster.Holds(ctx, s.scope(state, nil), st.If)
		if err != nil || !wanted {
			return err
		}
	}
	switch {
	case st.Manifest != "":
		return s.applyFile(ctx, state, st.Manifest)
	case st.Node != nil:
		return s.onNodes(ctx, state, st.Node.On, st.Node.Run)
	}
	limit := st.Wait.Within
	if limit == 0 {
		limit = setupWaitLimit
	}
	return wait.For(ctx, s.patient(limit), lookAgain, lang.Text{EN: "the setup of the lab", KO: "실습 준비"}, func(ctx context.Context) (bool, string, error) {
		found := s.Cluster.Run(ctx, s.scope(state, nil), st.Wait)
		return found.State == check.Holds, lang.Textf("%s: want %s, found %s", "%s: 기대한 것 %s, 지금 %s", st.Wait.ID, found.Expected, found.Actual).String(), nil
	})
}

// lookAgain is how often the setup looks for what it waits for.
const lookAgain = 200 * time.Millisecond

// onNodes runs a command on the machines that are meant.
func (s *Session) onNodes(ctx context.Context, state *progress.Lab, machines, run *field.Name) error {
	if s.Cluster.Nodes == nil {
		return errors.New("the machines of this cluster can't be reached")
	}
	on, err := s.Render(ctx, machines.Template, state)
	if err != nil {
		return err
	}
	command, err := s.Render(ctx, run.Template, state)
	if err != nil {
		return err
	}
	names := s.Cluster.Nodes.Names()
	switch on {
	case "all":
	case "workers":
		names = names[min(1, len(names)):]
	default:
		names = []string{on}
	}
	for _, name := range names {
		_, stderr, code, err := s.Cluster.Nodes.Run(ctx, name, command)
		if err != nil {
			return fmt.Errorf("on %s: %w", name, err)
		}
		if code != 0 {
			return fmt.Errorf("on %s: %q ended with status %d: %s", name, command, code, strings.TrimSpace(stderr))
		}
	}
	return nil
}
