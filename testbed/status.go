package testbed

import (
	"context"
	"errors"
	"io/fs"
	"slices"
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
}

// MachineStatus is one machine, and the node on it.
type MachineStatus struct {
	Name    string        `json:"name"`
	Address string        `json:"address"`
	State   machine.State `json:"state"`
	// SSH is "ok", or why it does not answer.
	SSH string `json:"ssh,omitempty"`
	// Node is Ready, NotReady, Unknown or missing, as the API says.
	Node string `json:"node,omitempty"`
	// Units maps a unit of the cluster to its systemd state.
	Units map[string]string `json:"units,omitempty"`
	// Pods is how many pods run there.
	Pods int `json:"pods"`
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

// statusLimit is how long a look waits for one machine or the API.
const statusLimit = 8 * time.Second

// Answering is nil if the API server is ready: what needs a cluster that runs is
// refused before it begins.
func (t *Testbed) Answering(ctx context.Context) error {
	cfg, err := t.RESTConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, statusLimit)
	defer cancel()
	if _, err := client.RESTClient().Get().AbsPath("/readyz").DoRaw(ctx); err != nil {
		return lang.Errorf("the cluster of testbed %q does not answer; %s: %w",
			"테스트베드 %q의 클러스터가 응답하지 않습니다. %s: %w", t.Name(), t.Repairs(), err)
	}
	return nil
}

// Status looks at machines, units and nodes, all at once.
func (t *Testbed) Status(ctx context.Context) (Status, error) {
	s := Status{
		Name: t.Name(), Driver: t.state.Spec.Driver, Subnet: t.state.Subnet.String(),
		Isolated: t.state.Spec.Isolated, Created: t.state.Created,
	}
	infos, err := t.List(ctx)
	if err != nil {
		return s, err
	}
	states := map[string]machine.State{}
	for _, i := range infos {
		states[i.Name] = i.State
	}
	var wg sync.WaitGroup
	s.Machines = make([]MachineStatus, len(t.Machines()))
	for i, name := range t.Machines() {
		a, _ := t.Address(name)
		m := &s.Machines[i]
		*m = MachineStatus{Name: name, Address: a.String(), State: states[name]}
		if m.State == "" {
			m.State = machine.Absent
		}
		if m.State == machine.Running {
			wg.Go(func() { lookAtUnits(ctx, t, m) })
		}
	}
	wg.Go(func() { s.API = "ok"; lookAtNodes(ctx, t, &s) })
	wg.Wait()
	s.Ready = s.ready()
	return s, nil
}

// ready says that all that is on the same screen is as it should be.
func (s Status) ready() bool {
	return s.API == "ok" && !slices.ContainsFunc(s.Machines, func(m MachineStatus) bool { return !m.ready() })
}

func (m MachineStatus) ready() bool {
	if m.State != machine.Running || m.SSH != "ok" || m.Node != "Ready" {
		return false
	}
	for _, state := range m.Units {
		if state != "active" {
			return false
		}
	}
	return true
}

func lookAtUnits(ctx context.Context, t *Testbed, m *MachineStatus) {
	ctx, cancel := context.WithTimeout(ctx, statusLimit)
	defer cancel()
	c, err := t.Dial(ctx, m.Name)
	if err != nil {
		m.SSH = err.Error()
		return
	}
	defer c.Close()
	units := install.Units(m.Name == ControlName)
	// is-active ends with an error where a unit is not; its words are what counts.
	out, err := c.Run(ctx, machine.Command{Line: "systemctl is-active containerd " + strings.Join(units, " ") + " || true", Timeout: statusLimit})
	if err != nil {
		m.SSH = err.Error()
		return
	}
	m.SSH, m.Units = "ok", map[string]string{}
	for i, word := range strings.Fields(string(out.Stdout)) {
		if i <= len(units) {
			m.Units[append([]string{"containerd"}, units...)[i]] = word
		}
	}
}

// lookAtNodes fills in what the API says. It writes fields that lookAtUnits
// leaves alone.
func lookAtNodes(ctx context.Context, t *Testbed, s *Status) {
	ctx, cancel := context.WithTimeout(ctx, statusLimit)
	defer cancel()
	nodes, pods, err := nodesAndPods(ctx, t)
	if err != nil {
		s.API = err.Error()
		return
	}
	ready := map[string]string{}
	for _, n := range nodes {
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
		m.Pods, m.Node = running[m.Name], ready[m.Name]
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
	cfg.Timeout = statusLimit
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
