package testbed

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kubectl/pkg/drain"

	"noriter.dev/noriter/cluster/images"
	"noriter.dev/noriter/cluster/install"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/image"
	"noriter.dev/noriter/provision/step"
)

// AddNode makes another worker and has it join the running cluster. Without a
// name it is the one whose joining was interrupted, or else the lowest that is
// free. It returns the worker's name.
func (t *Testbed) AddNode(ctx context.Context, name string, o UpOptions) (string, error) {
	if name != "" {
		if err := checkWorker(name); err != nil {
			return "", err
		}
	}
	err := t.locked(ctx, "node add", o.Waiting, func(d driver) error {
		if err := t.answers(ctx); err != nil {
			return err
		}
		var err error
		if name, err = t.admit(name); err != nil {
			return err
		}
		j := &join{Testbed: t, driver: d, binDir: o.BinDir, names: []string{name}}
		defer j.close()
		if err := step.Run(ctx, j.steps(), o.Report); err != nil {
			return err
		}
		t.state.Joining = ""
		return t.home.writeState(t.Name(), t.state)
	})
	return name, err
}

// answers refuses what needs a cluster that runs.
func (t *Testbed) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, statusLimit)
	defer cancel()
	if err := t.Answering(ctx); err != nil {
		return fmt.Errorf("the cluster of testbed %q does not answer; `nori up` repairs, `nori reset` puts back: %w", t.Name(), err)
	}
	return nil
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
			return "", usage("testbed %q has %s already; its machines are %v", t.Name(), name, t.Machines())
		}
		return name, nil
	}
	t.state.setWorkers(append(t.state.workers(), name))
	t.state.Joining = name
	return name, t.home.writeState(t.Name(), t.state)
}

// join is one run of workers joining a cluster.
type join struct {
	*Testbed
	driver  driver
	binDir  string
	names   []string
	cluster *install.Cluster
}

func (j *join) steps() []step.Step {
	return append([]step.Step{j.images()}, j.stepsAfter("containers")...)
}

// images is the step that needs nothing of the testbed, so that it can come
// before anything is changed.
func (j *join) images() step.Step {
	j.cluster = j.newCluster()
	j.cluster.Only, j.cluster.BinDir = j.names, j.binDir
	return step.Step{
		ID: "containers", Title: lang.Text{EN: "Container images", KO: "컨테이너 이미지"}, Limit: 30 * time.Minute,
		Run: func(ctx context.Context, note func(string)) error {
			return j.useImages(ctx, j.cluster, j.binDir, note)
		},
	}
}

// stepsAfter are the steps that follow the one given, and images.
func (j *join) stepsAfter(last string) []step.Step {
	steps := []step.Step{{
		ID: "newcomer", Title: lang.Text{EN: "Machine", KO: "머신"}, Needs: []string{last}, Limit: 10 * time.Minute,
		Run: func(ctx context.Context, note func(string)) error { return j.boot(ctx) },
	}}
	return append(steps, install.JoinSteps(j.cluster, "newcomer")...)
}

// boot switches the new machines on and connects to all that answer.
func (j *join) boot(ctx context.Context) error {
	if err := j.driver.Prepare(ctx); err != nil {
		return err
	}
	for _, spec := range j.specs() {
		if slices.Contains(j.names, spec.Name) {
			if err := j.driver.Ensure(ctx, spec); err != nil {
				return fmt.Errorf("switching on %s: %w", spec.Name, err)
			}
		}
	}
	for _, name := range append([]string{ControlName}, j.names...) {
		m, err := j.Dial(ctx, name)
		if err != nil {
			return err
		}
		if err := j.setClock(ctx, m); err != nil {
			return err
		}
		j.cluster.SetMachine(m)
	}
	j.dialOthers(ctx, j.cluster)
	return nil
}

func (j *join) close() {
	if j.cluster != nil {
		j.cluster.Close()
	}
}

// othersLimit is how long a machine that is only to be told something may take
// to answer; one that is off gets the news by the next `nori up`.
const othersLimit = 3 * time.Second

// dialOthers connects to the machines that the cluster has no connection to yet.
func (t *Testbed) dialOthers(ctx context.Context, c *install.Cluster) {
	for _, name := range t.Machines() {
		if c.Machine(name) != nil {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, othersLimit)
		if m, err := t.Dial(limited, name); err == nil {
			c.SetMachine(m)
		}
		cancel()
	}
}

// newCluster is the testbed's cluster, for what is done on a running one.
func (t *Testbed) newCluster() *install.Cluster {
	return &install.Cluster{Name: t.Name(), Nodes: t.nodes(), Dir: t.Dir(), Dial: t.Dialer()}
}

// useImages tells a cluster which container images its nodes get.
func (t *Testbed) useImages(ctx context.Context, c *install.Cluster, binDir string, note func(string)) error {
	b, err := t.home.containerImages(ctx, binDir, note)
	if err != nil {
		return err
	}
	c.BaseImages, c.DNSImages, c.AppImages, c.SeedImages = b.Base, b.DNS, b.Apps, b.Seed
	c.PauseImage, c.DNSImage = images.Full(images.PauseRef), images.CoreDNSRef
	c.IngressImage = images.IngressRef
	t.packed = []image.ParcelItem{
		{Source: filepath.Join(binDir, "nori-control"), Mode: 0o755},
		{Source: filepath.Join(binDir, "nori-node"), Mode: 0o755},
		{Source: b.Base, Mode: 0o644},
		{Source: b.DNS, Mode: 0o644},
		{Source: b.Apps, Mode: 0o644},
	}
	return nil
}

// RemoveNode drains a worker, takes it out of the cluster and removes its
// machine. With force its pods are not asked to leave.
func (t *Testbed) RemoveNode(ctx context.Context, name string, force bool, report step.Reporter, waiting func(string)) error {
	if name == ControlName {
		return usage("%s holds the control plane and can't be removed; `nori down` removes the testbed", name)
	}
	return t.locked(ctx, "node remove", waiting, func(d driver) error {
		workers := t.state.workers()
		if !slices.Contains(workers, name) {
			return usage("testbed %q has no worker %q; it has %v", t.Name(), name, workers)
		}
		if len(workers) == 1 {
			return usage("%s is the last worker of testbed %q; `nori down` removes the testbed", name, t.Name())
		}
		if err := t.answers(ctx); err != nil {
			return err
		}
		l := &leave{Testbed: t, driver: d, name: name, force: force}
		if err := step.Run(ctx, l.steps(), report); err != nil {
			return err
		}
		t.state.setWorkers(slices.DeleteFunc(slices.Clone(workers), func(w string) bool { return w == name }))
		if t.state.Joining == name {
			t.state.Joining = ""
		}
		return t.home.writeState(t.Name(), t.state)
	})
}

// leave is one run of a worker leaving its cluster. The state is changed at
// its end: until then the same command, or `nori up`, takes up from there.
type leave struct {
	*Testbed
	driver driver
	name   string
	force  bool
}

// drainLimit is how long the pods of a node may take to leave it.
const drainLimit = 40 * time.Second

func (l *leave) steps() []step.Step {
	return []step.Step{{
		ID: "drain", Title: lang.Text{EN: "Pods moved away (drain)", KO: "파드 비우기 (drain)"},
		Advice: lang.Text{EN: "--force removes the machine without asking its pods", KO: "--force는 파드에 묻지 않고 머신을 지웁니다"},
		Run:    func(ctx context.Context, note func(string)) error { return l.drain(ctx, note) },
	}, {
		ID: "machine", Title: lang.Text{EN: "Machine removed", KO: "머신 제거"}, Needs: []string{"drain"},
		Run: func(ctx context.Context, _ func(string)) error {
			// At once, as if its power failed: an agent that is told to stop
			// would register its node anew, were it faster than we are.
			return l.driver.RemoveMachine(ctx, l.name)
		},
	}, {
		ID: "node", Title: lang.Text{EN: "Node deleted", KO: "노드 삭제"}, Needs: []string{"machine"},
		Run: func(ctx context.Context, _ func(string)) error { return l.forgetNode(ctx, l.name) },
	}, {
		ID: "names", Title: lang.Text{EN: "Name taken off the others", KO: "다른 머신에서 이름 지우기"}, Needs: []string{"machine"},
		Run: func(ctx context.Context, _ func(string)) error {
			c := l.newCluster()
			c.Only = []string{l.name}
			defer c.Close()
			for _, n := range c.Nodes {
				if n.Name == l.name {
					continue
				}
				limited, cancel := context.WithTimeout(ctx, othersLimit)
				if m, err := l.Dial(limited, n.Name); err == nil {
					c.SetMachine(m)
				}
				cancel()
			}
			return c.Forget(ctx, l.name)
		},
	}}
}

// drain is `kubectl drain --ignore-daemonsets --delete-emptydir-data --force`.
func (l *leave) drain(ctx context.Context, note func(string)) error {
	client, err := l.client()
	if err != nil {
		return err
	}
	node, err := client.CoreV1().Nodes().Get(ctx, l.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for the node: %w", err)
	}
	h := &drain.Helper{
		Ctx: ctx, Client: client, Force: true, IgnoreAllDaemonSets: true, DeleteEmptyDirData: true,
		GracePeriodSeconds: -1, Timeout: drainLimit, Out: io.Discard, ErrOut: io.Discard,
	}
	if err := drain.RunCordonOrUncordon(h, node, true); err != nil {
		return fmt.Errorf("cordoning the node: %w", err)
	}
	switch {
	case l.force:
		note("--force")
	case !isReady(node):
		note("NotReady") // nobody there whom the pods could wait for
	default:
		if err := drain.RunNodeDrain(h, l.name); err != nil {
			return fmt.Errorf("draining the node: %w", err)
		}
	}
	return nil
}

func isReady(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// forgetNode deletes a Node and what ran on it. The garbage collector of pods
// would remove those of a node that is not there, but only after a quarantine:
// until then a Deployment, CoreDNS' too, takes them for replicas that it has.
func (t *Testbed) forgetNode(ctx context.Context, name string) error {
	client, err := t.client()
	if err != nil {
		return err
	}
	err = client.CoreV1().Nodes().Delete(ctx, name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting the node: %w", err)
	}
	// After the node: what replaces a pod must not be put onto it again.
	pods, err := client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + name})
	if err != nil {
		return fmt.Errorf("listing the node's pods: %w", err)
	}
	for _, p := range pods.Items {
		err := client.CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, *metav1.NewDeleteOptions(0))
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting the node's pod %s/%s: %w", p.Namespace, p.Name, err)
		}
	}
	err = client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Delete(ctx, name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting the node's lease: %w", err)
	}
	return nil
}

// client is the administrator's client.
func (t *Testbed) client() (kubernetes.Interface, error) {
	cfg, err := t.RESTConfig()
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("making a client for testbed %q: %w", t.Name(), err)
	}
	return client, nil
}
