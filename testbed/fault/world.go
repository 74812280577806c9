package fault

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"noriter.dev/noriter/cluster/dns"
	"noriter.dev/noriter/cluster/install"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/testbed"
)

// world is a testbed, seen and touched from all sides.
type world struct {
	*testbed.Testbed
	// namespace is where the faults of workloads look for something to break.
	namespace string

	mu       sync.Mutex
	api      kubernetes.Interface
	machines map[string]machine.Machine
}

func newWorld(t *testbed.Testbed) *world {
	return &world{Testbed: t, machines: map[string]machine.Machine{}}
}

func (w *world) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.machines {
		_ = m.Close() // it may be off by now
	}
	clear(w.machines)
}

// client is the administrator's client.
func (w *world) client() (kubernetes.Interface, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.api != nil {
		return w.api, nil
	}
	cfg, err := w.RESTConfig()
	if err != nil {
		return nil, err
	}
	cfg.Timeout, cfg.QPS, cfg.Burst = w.Patient(requestLimit), 100, 200
	w.api, err = kubernetes.NewForConfig(cfg)
	return w.api, err
}

// Limits are those of fast machines: see testbed.Testbed.Patient.
const (
	// requestLimit is how long the API server may take for an answer.
	requestLimit = 10 * time.Second
	// dialLimit is how long a machine that should answer may take.
	dialLimit = 10 * time.Second
	// askLimit is how long one look from a machine may take.
	askLimit = 2 * time.Second
)

// machine is a kept connection to a machine.
func (w *world) machine(ctx context.Context, name string) (machine.Machine, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m := w.machines[name]; m != nil {
		return m, nil
	}
	ctx, cancel := context.WithTimeout(ctx, w.Patient(dialLimit))
	defer cancel()
	m, err := w.Dial(ctx, name)
	if err != nil {
		return nil, err
	}
	w.machines[name] = m
	return m, nil
}

// forget drops a connection that is about to die.
func (w *world) forget(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m := w.machines[name]; m != nil {
		_ = m.Close()
		delete(w.machines, name)
	}
}

// run runs a command line on a machine.
func (w *world) run(ctx context.Context, node, line string) (string, error) {
	m, err := w.machine(ctx, node)
	if err != nil {
		return "", err
	}
	out, err := m.Run(ctx, machine.Command{Line: line})
	return strings.TrimSpace(string(out.Stdout)), err
}

// unit is a unit's state on a machine, in systemd's word.
func (w *world) unit(ctx context.Context, node, unit string) (string, error) {
	return w.run(ctx, node, "systemctl is-active "+unit+" || true")
}

// reaches says whether an address can be connected to from a machine.
func (w *world) reaches(ctx context.Context, node, address string) (bool, error) {
	m, err := w.machine(ctx, node)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, w.Patient(askLimit))
	defer cancel()
	conn, err := m.Dial(ctx, "tcp", address)
	if err != nil {
		return false, nil // which is the answer, whatever the reason
	}
	_ = conn.Close()
	return true, nil
}

// resolves says whether the cluster's DNS answers, asked from a machine.
func (w *world) resolves(ctx context.Context, node string) (bool, error) {
	m, err := w.machine(ctx, node)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, w.Patient(askLimit))
	defer cancel()
	_, err = dns.Answering(ctx, m.Dial, install.DNSAddress+":53", "kubernetes.default.svc."+install.Domain)
	return err == nil, nil
}

// errNotSteady is a testbed in which something is wrong already.
var errNotSteady = lang.Errorf("the testbed is not steady", "테스트베드가 정상이 아닙니다")

// steady returns nil if all is as it should be: machines, units, nodes, the
// cluster's own deployments, DNS.
func (w *world) steady(ctx context.Context) error {
	s, err := w.Status(ctx)
	if err != nil {
		return err
	}
	wrong := wrongWith(s)
	if s.API == "ok" {
		late, err := w.lateDeployments(ctx)
		if err != nil {
			return err
		}
		wrong = append(wrong, late...)
		ok, err := w.resolves(ctx, testbed.ControlName)
		if err == nil && !ok {
			wrong = append(wrong, lang.T("DNS does not answer", "DNS가 응답하지 않음"))
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%w: %s", errNotSteady, strings.Join(wrong, "; "))
	}
	return nil
}

// wrongWith lists what a status shows to be wrong.
func wrongWith(s testbed.Status) []string {
	var wrong []string
	for _, p := range s.Wrong() {
		wrong = append(wrong, p.Text)
	}
	return wrong
}

// lateDeployments names the cluster's own deployments that lack pods.
func (w *world) lateDeployments(ctx context.Context) ([]string, error) {
	c, err := w.client()
	if err != nil {
		return nil, err
	}
	list, err := c.AppsV1().Deployments(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, lang.Errorf("listing the cluster's own deployments: %w", "클러스터의 기본 디플로이먼트 목록 조회: %w", err)
	}
	var late []string
	for i := range list.Items {
		d := &list.Items[i]
		if d.Status.AvailableReplicas == 0 {
			late = append(late, lang.Textf("deployment %s has no pod that is available", "디플로이먼트 %s에 사용 가능한 파드가 없음", d.Name).String())
		}
	}
	return late, nil
}

// nodesOf makes targets of machines.
func nodesOf(names []string) []testbed.Fault {
	var out []testbed.Fault
	for _, n := range names {
		out = append(out, testbed.Fault{Node: n})
	}
	return out
}
