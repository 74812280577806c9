package testbed

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"noriter.dev/noriter/cluster/conditions"
	"noriter.dev/noriter/cluster/install"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/remote"
)

// Status is what `nori status` shows.
type Status struct {
	Name     string          `json:"name"`
	Driver   string          `json:"driver"`
	Subnet   string          `json:"subnet"`
	Isolated bool            `json:"isolated"`
	Created  time.Time       `json:"created"`
	Ready    bool            `json:"ready"`
	Machines []MachineStatus `json:"machines"`
	// API is "ok", or why the API server can't be asked.
	API string `json:"api"`
	// Problems is all that is wrong, each with what mends it; see facts.
	// say is how commands on it are typed.
	say      typed
	Problems []Problem `json:"problems"`

	noCluster          bool
	resetting, joining string
}

// MachineStatus is one machine, and the node on it.
type MachineStatus struct {
	Name    string        `json:"name"`
	Address string        `json:"address"`
	State   machine.State `json:"state"`
	// Detail is why it is in this state, Fault what keeps one that runs from being
	// reached, as the driver sees it.
	Detail string `json:"detail,omitempty"`
	Fault  string `json:"fault,omitempty"`
	// SSH is "ok", or why it does not answer; Trouble is that in a word.
	SSH     string         `json:"ssh,omitempty"`
	Trouble remote.Trouble `json:"trouble,omitempty"`
	// Node is Ready, NotReady, Unknown or missing, as the API says.
	Node string `json:"node,omitempty"`
	// Cordoned says that new pods are kept away from it.
	Cordoned bool `json:"cordoned,omitempty"`
	// Units maps a unit of the cluster to its systemd state.
	Units map[string]string `json:"units,omitempty"`
	// Pods is how many pods run there.
	Pods int `json:"pods"`
	// FreeMiB is the room on its disk, if it was seen.
	FreeMiB *int64 `json:"freeMiB,omitempty"`

	// sharesDisk says that what it writes is this host's space.
	sharesDisk bool
	// console is the end of what it printed, if it does not run.
	console string
}

// RESTConfig is the administrator's way to the API server.
func (t *Testbed) RESTConfig() (*rest.Config, error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", t.Kubeconfig())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, t.NotUp()
	}
	if err != nil {
		return nil, lang.Errorf("reading the kubeconfig of testbed %q: %w", "테스트베드 %q의 kubeconfig 읽기: %w", t.Name(), err)
	}
	if via := t.Dialer(); via != nil {
		cfg.Dial = via
	}
	return cfg, nil
}

const (
	// statusLimit is how long a look waits for one machine or the API.
	statusLimit = 8 * time.Second
	// troubleLimit is how long a look waits for a machine that does not let us in.
	troubleLimit = 2 * time.Second
	// fullMiB is what a disk must have free not to count as full.
	fullMiB = 16
)

// Answering is nil if the API server is ready: what needs a cluster that runs is
// refused before it begins.
func (t *Testbed) Answering(ctx context.Context) error {
	cfg, err := t.RESTConfig()
	if err != nil {
		return err
	}
	cfg.Dial = t.DialAPI
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, t.Patient(statusLimit))
	defer cancel()
	_, err = client.RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
	var asleep *Mendable
	switch {
	case err == nil:
		return nil
	case errors.As(err, &asleep):
		return lang.Errorf("the cluster of testbed %q does not answer: %w", "테스트베드 %q의 클러스터가 응답하지 않습니다: %w", t.Name(), asleep)
	}
	return lang.Errorf("the cluster of testbed %q does not answer; `%s` repairs, `%s` puts back: %w",
		"테스트베드 %q의 클러스터가 응답하지 않습니다. `%s` 명령으로 고치고, `%s` 명령으로 되돌립니다: %w", t.Name(), t.Command("up"), t.Command("reset"), err)
}

// Status looks at machines, units and nodes, all at once.
func (t *Testbed) Status(ctx context.Context) (Status, error) {
	s := Status{
		say:  t.typed(),
		Name: t.Name(), Driver: t.state.Spec.Driver, Subnet: t.state.Subnet.String(),
		Isolated: t.state.Spec.Isolated, Created: t.state.Created,
		resetting: t.state.Resetting, joining: t.state.Joining,
	}
	infos, err := t.List(ctx)
	if err != nil {
		return s, err
	}
	var wg sync.WaitGroup
	s.Machines = make([]MachineStatus, len(t.Machines()))
	for i, name := range t.Machines() {
		a, _ := t.Address(name)
		m := &s.Machines[i]
		*m = statusOf(name, infos)
		m.Address, m.SSH, m.Node, m.sharesDisk = a.String(), "", "", t.sharesDisk(name)
		if m.State == machine.Running {
			wg.Go(func() { lookAtUnits(ctx, t, m) })
		}
	}
	wg.Go(func() { s.API = "ok"; lookAtNodes(ctx, t, &s) })
	wg.Wait()
	s.Problems = s.Wrong()
	s.Ready = len(s.Problems) == 0
	return s, nil
}

func lookAtUnits(ctx context.Context, t *Testbed, m *MachineStatus) {
	ctx, cancel := context.WithTimeout(ctx, t.Patient(statusLimit))
	defer cancel()
	c, err := t.dial(ctx, m.Name, reaching{bear: troubleLimit})
	if err != nil {
		m.cannotEnter(err)
		return
	}
	defer c.Close()
	units := append([]string{"containerd"}, install.Units(m.Name == ControlName)...)
	// is-active ends with an error where a unit is not; its words are what counts.
	out, err := c.Run(ctx, machine.Command{
		Line:  "systemctl is-active " + strings.Join(units, " ") + "; df -BM --output=avail / | tail -n 1",
		Doing: lang.Text{EN: "looking at the units", KO: "유닛 확인"}, Timeout: statusLimit,
	})
	if err != nil {
		m.cannotEnter(err)
		return
	}
	m.SSH, m.Units = "ok", map[string]string{}
	words := strings.Fields(string(out.Stdout))
	for i, word := range words[:min(len(words), len(units))] {
		m.Units[units[i]] = word
	}
	if len(words) > len(units) {
		if free, err := strconv.ParseInt(strings.TrimSuffix(words[len(units)], "M"), 10, 64); err == nil {
			m.FreeMiB = &free
		}
	}
}

// cannotEnter notes why a machine does not let us in; what mends it comes from the facts.
func (m *MachineStatus) cannotEnter(err error) {
	var known *Mendable
	if errors.As(err, &known) {
		err = known.Err
	}
	m.SSH = err.Error()
	var entry *remote.ConnectError
	if errors.As(err, &entry) {
		m.SSH, m.Trouble = entry.Error(), entry.Trouble
	}
}

// lookAtNodes fills in what the API says. It writes fields that lookAtUnits
// leaves alone.
func lookAtNodes(ctx context.Context, t *Testbed, s *Status) {
	ctx, cancel := context.WithTimeout(ctx, t.Patient(statusLimit))
	defer cancel()
	nodes, pods, err := nodesAndPods(ctx, t)
	if err != nil {
		s.API, s.noCluster = err.Error(), errors.Is(err, ErrNotUp)
		return
	}
	ready, unschedulable := map[string]string{}, map[string]bool{}
	for _, n := range nodes {
		unschedulable[n.Name] = n.Spec.Unschedulable
		ready[n.Name] = "NotReady"
		switch c := conditions.Node(&n.Status, v1.NodeReady); {
		case c == nil:
		case c.Status == v1.ConditionTrue:
			ready[n.Name] = "Ready"
		case c.Status == v1.ConditionUnknown:
			ready[n.Name] = "Unknown"
		}
	}
	running := map[string]int{}
	for _, p := range pods {
		if p.Status.Phase == v1.PodRunning {
			running[p.Spec.NodeName]++
		}
	}
	for i := range s.Machines {
		m := &s.Machines[i]
		m.Pods, m.Node, m.Cordoned = running[m.Name], ready[m.Name], unschedulable[m.Name]
		if m.Node == "" {
			m.Node = "missing"
		}
	}
}

func nodesAndPods(ctx context.Context, t *Testbed) ([]v1.Node, []v1.Pod, error) {
	cfg, err := t.RESTConfig()
	if err != nil {
		return nil, nil, err
	}
	cfg.Timeout, cfg.Dial = t.Patient(statusLimit), t.DialAPI
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, nil, err
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, nil, lang.Errorf("asking the API server: %w", "API 서버에 묻기: %w", err)
	}
	pods, err := client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, nil, lang.Errorf("asking the API server: %w", "API 서버에 묻기: %w", err)
	}
	return nodes.Items, pods.Items, nil
}
