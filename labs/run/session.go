package run

import (
	"context"
	"errors"
	"math/rand/v2"
	"sort"
	"strconv"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs"
	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/progress"
)

// Session is one lab of one learner on one testbed. Several processes may
// have the same session open; the store keeps them in step.
type Session struct {
	Env     *labs.Env
	Lab     *format.Lab
	Cluster *check.Cluster
	Store   *progress.Store
	// Namespace is where this session works; the proof gives each of its
	// ways another one.
	Namespace string
	// Seed fixes the learner's variables; 0 draws one.
	Seed uint64
}

// ErrNotStarted means that the lab has no state yet.
var ErrNotStarted = errors.New("this lab has not been started")

// StoreFor is the progress of the environment's learner.
func StoreFor(env *labs.Env) *progress.Store {
	store := progress.Open(env.ProgressDir, env.User, env.Testbed)
	if env.Making != "" {
		store.Making(env.Making)
	}
	return store
}

// New makes the session of a lab. Nothing is sent or written yet.
func New(env *labs.Env, lab *format.Lab) (*Session, error) {
	cluster, err := check.New(env)
	if err != nil {
		return nil, err
	}
	return &Session{Env: env, Lab: lab, Cluster: cluster, Store: StoreFor(env), Namespace: lab.Namespace}, nil
}

// State reads the lab's state; ErrNotStarted if there is none.
func (s *Session) State() (*progress.Lab, error) {
	all, err := s.Store.Load()
	if err != nil {
		return nil, err
	}
	if l := all.Labs[s.Lab.Key()]; l != nil {
		return l, nil
	}
	return nil, ErrNotStarted
}

// update changes the lab's state.
func (s *Session) update(change func(*progress.Lab) error) error {
	return s.Store.Update(func(all *progress.State) error {
		l := all.Labs[s.Lab.Key()]
		if l == nil {
			return ErrNotStarted
		}
		return change(l)
	})
}

// Step is the step that is open, with the lab's state.
func (s *Session) Step() (*format.Step, *progress.Lab, error) {
	state, err := s.State()
	if err != nil {
		return nil, nil, err
	}
	step := s.Lab.Step(state.Step)
	if step == nil { // the lab has changed since: go on at the first open step
		for i := range s.Lab.Steps {
			if !state.Passed(s.Lab.Steps[i].ID) {
				step = &s.Lab.Steps[i]
				break
			}
		}
	}
	if step == nil {
		step = &s.Lab.Steps[len(s.Lab.Steps)-1]
	}
	return step, state, nil
}

// scope is what checks of a step are evaluated with.
func (s *Session) scope(state *progress.Lab, step *format.Step) *check.Scope {
	scope := &check.Scope{
		Namespace: s.Namespace, Vars: state.Vars, Files: s.work(),
		BinDir: s.Env.BinDir, LabFS: s.Lab.FS, Elsewhere: s.Lab.Path != "",
	}
	scope.As, scope.Kubeconfig = s.Env.Scripter()
	if step != nil {
		if st := state.Steps[step.ID]; st != nil {
			scope.Seen = st.Seen
		}
	}
	return scope
}

// Render fills in a text of the lab, which knows the learner's variables, the
// namespace and the folder of the files.
func (s *Session) Render(ctx context.Context, t *expr.Template, state *progress.Lab) (string, error) {
	return t.Render(ctx, expr.Scope{
		"vars": state.Vars, "ns": s.Namespace, "files": s.work(),
		"seen": map[string]any{}, "pods": []any{}, "owners": map[string]string{},
	})
}

// work is the folder of the lab's files.
func (s *Session) work() string { return s.Env.Work(s.Lab.Folder()) }

// Prose is the lab's text in the current language.
func (s *Session) Prose() *format.Prose { return s.Lab.Prose[lang.Current()] }

// heading is what the learner knows a step by.
func (s *Session) heading(step string) string { return s.Prose().Sections[step].Heading }

// fresh is the state of a new attempt. Variables are drawn once per learner
// and stay, so that the answers of one learner are no use to another.
func (s *Session) fresh(old *progress.Lab) *progress.Lab {
	l := &progress.Lab{Phase: progress.SettingUp, Seed: s.Seed, Namespace: s.Namespace, Started: now()}
	if old != nil {
		l.Seed, l.History = old.Seed, old.History
	}
	for l.Seed == 0 {
		l.Seed = rand.Uint64()
	}
	l.Vars = Variables(s.Lab, l.Seed)
	l.Step = s.Lab.Steps[0].ID
	l.StepState(l.Step).Opened = now()
	return l
}

// Variables draws the variables of a lab from a seed.
func Variables(lab *format.Lab, seed uint64) map[string]string {
	names := make([]string, 0, len(lab.Vars))
	for name := range lab.Vars {
		names = append(names, name)
	}
	sort.Strings(names)
	out := map[string]string{}
	for i, name := range names {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		v := lab.Vars[name]
		if len(v.Pick) > 0 {
			out[name] = v.Pick[r.IntN(len(v.Pick))]
			continue
		}
		out[name] = strconv.Itoa(v.Min + r.IntN(v.Max-v.Min+1))
	}
	return out
}

// now is in whole seconds, as the API server's own times are.
func now() time.Time { return time.Now().UTC().Truncate(time.Second) }
