package testbed

import (
	"context"
	"io"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kubectl/pkg/drain"

	"noriter.dev/noriter/cluster/conditions"
	"noriter.dev/noriter/cluster/install"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/step"
)

// RemoveNode drains a worker, takes it out of the cluster and removes its
// machine. With force its pods are not asked to leave.
func (t *Testbed) RemoveNode(ctx context.Context, name string, force bool, o RunOptions) error {
	if name == ControlName {
		return usage("%s holds the control plane and can't be removed; `%s` removes the testbed",
			"%s에는 컨트롤 플레인이 있어서 뺄 수 없습니다. `%s` 명령이 테스트베드를 지웁니다", name, t.Command("down"))
	}
	return t.locked(ctx, "node remove", o.Waiting, func(p provider) error {
		workers := t.state.workers()
		if !slices.Contains(workers, name) {
			return usage("testbed %q has no worker %q; it has %v", "테스트베드 %q에는 워커 %q이(가) 없습니다. 있는 워커: %v", t.Name(), name, workers)
		}
		if len(workers) == 1 {
			return usage("%s is the last worker of testbed %q; `%s` removes the testbed",
				"%s은(는) 테스트베드 %q의 마지막 워커입니다. `%s` 명령이 테스트베드를 지웁니다", name, t.Name(), t.Command("down"))
		}
		if err := t.Answering(ctx); err != nil {
			return err
		}
		l := &leaveRun{testbed: t, provider: p, cluster: t.newCluster(""), name: name, force: force}
		l.cluster.Only = []string{name}
		defer l.cluster.Close()
		if err := t.RunSteps(ctx, l.steps(), t.noteSteps("node remove", o.Report)); err != nil {
			return err
		}
		t.state.setWorkers(slices.DeleteFunc(slices.Clone(workers), func(w string) bool { return w == name }))
		if t.state.Joining == name {
			t.state.Joining = ""
		}
		return t.writeState()
	})
}

// leaveRun is one run of a worker leaving its cluster. The state is changed at
// its end: until then the same command, or `nori up`, takes up from there.
type leaveRun struct {
	testbed  *Testbed
	provider provider
	cluster  *install.Cluster
	name     string
	force    bool
}

func (l *leaveRun) steps() []step.Step {
	return []step.Step{{
		ID: "drain", Title: lang.Text{EN: "Pods moved away (drain)", KO: "파드 비우기 (drain)"},
		Advice: lang.Textf("%s stays cordoned: `%s` takes that back, `%s` removes the machine without asking its pods",
			"%s은(는) cordon된 채로 남습니다. `%s` 명령으로 풀고, `%s` 명령으로는 파드에 묻지 않고 머신을 지웁니다",
			l.name, l.testbed.Command("kubectl uncordon "+l.name), l.testbed.Command("node remove "+l.name+" --force")),
		Run: func(ctx context.Context, note func(string)) error { return l.drain(ctx, note) },
	}, {
		ID: "machine", Title: lang.Text{EN: "Machine removed", KO: "머신 제거"}, Needs: []string{"drain"},
		Run: func(ctx context.Context, _ func(string)) error {
			// At once, as if its power failed: an agent that is told to stop
			// would register its node anew, were it faster than we are.
			return l.provider.RemoveMachine(ctx, l.name)
		},
	}, {
		ID: "node", Title: lang.Text{EN: "Node deleted", KO: "노드 삭제"}, Needs: []string{"machine"},
		Run: func(ctx context.Context, _ func(string)) error {
			client, err := l.testbed.client()
			if err != nil {
				return err
			}
			return forgetNode(ctx, client, l.name)
		},
	}, {
		ID: "names", Title: lang.Text{EN: "Name taken off the others", KO: "다른 머신에서 이름 지우기"}, Needs: []string{"machine"},
		Run: func(ctx context.Context, _ func(string)) error {
			l.testbed.dialOthers(ctx, l.cluster, l.name)
			return l.cluster.Forget(ctx, l.name)
		},
	}}
}

// drain keeps new pods away from the node, and moves its own to others.
func (l *leaveRun) drain(ctx context.Context, note func(string)) error {
	client, err := l.drainClient()
	if err != nil {
		return err
	}
	node, err := client.CoreV1().Nodes().Get(ctx, l.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return lang.Errorf("looking for the node: %w", "노드 찾기: %w", err)
	}
	h := &drain.Helper{Ctx: ctx, Client: client, Out: io.Discard, ErrOut: io.Discard}
	if err := drain.RunCordonOrUncordon(h, node, true); err != nil {
		return lang.Errorf("cordoning the node: %w", "노드를 cordon 하기: %w", err)
	}
	ready, _ := conditions.NodeReady(node)
	switch {
	case l.force:
		note("--force")
	case !ready:
		note("NotReady") // nobody there whom the pods could wait for
	default:
		d := &drainer{client: client, node: l.name}
		if err := d.run(ctx, l.testbed.Patient(drainLimit)); err != nil {
			return lang.Errorf("draining the node: %w", "노드를 drain 하기: %w", err)
		}
	}
	return nil
}

// drainClient is the administrator's client, which says at once what is refused.
func (l *leaveRun) drainClient() (kubernetes.Interface, error) {
	cfg, err := l.testbed.RESTConfig()
	if err != nil {
		return nil, err
	}
	cfg.Wrap(unhurried)
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, lang.Errorf("making a client for testbed %q: %w", "테스트베드 %q의 클라이언트 만들기: %w", l.testbed.Name(), err)
	}
	return client, nil
}
