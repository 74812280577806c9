package install

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"noriter.dev/noriter/cluster/conditions"
	"noriter.dev/noriter/cluster/dns"
	"noriter.dev/noriter/cluster/guards"
	"noriter.dev/noriter/cluster/ingress/deploy"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
	"noriter.dev/noriter/provision/machine"
)

// pollEvery is the shortest pause between two looks; wait.UntilResting makes it longer
// where looks take long, as an emulated control node would else spend half of its time
// on being asked whether it is ready.
const pollEvery = 100 * time.Millisecond

// addr parses an address that is ours.
func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// RESTConfig is the administrator's way to the API server.
func (c *Cluster) RESTConfig() (*rest.Config, error) {
	return c.restConfig(c.Kubeconfig())
}

func (c *Cluster) restConfig(kubeconfig string) (*rest.Config, error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, lang.Errorf("reading the kubeconfig: %w", "kubeconfig 읽기: %w", err)
	}
	cfg.QPS, cfg.Burst = 200, 400
	cfg.Dial = c.Dial
	return cfg, nil
}

func (c *Cluster) client() (kubernetes.Interface, error) {
	cfg, err := c.RESTConfig()
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(cfg)
}

// applyGuards puts the policies in place that keep the machines' own from Services
// and pods.
func (c *Cluster) applyGuards(ctx context.Context) error {
	cfg, err := c.RESTConfig()
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return err
	}
	return poll(ctx, lang.Text{EN: "the API server to take the guards", KO: "API 서버에 보호 정책 적용"}, func() (bool, string) {
		if err := c.Regain(ctx, guards.Apply(ctx, client, c.ownNetworks())); err != nil {
			return false, err.Error()
		}
		return true, ""
	})
}

// applyDNS puts CoreDNS and its Service into kube-system.
func (c *Cluster) applyDNS(ctx context.Context) error {
	cfg, err := c.RESTConfig()
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return err
	}
	o := dns.Options{ClusterIP: DNSAddress, Domain: Domain, Image: c.DNSImage}
	// An API server that has just become ready may not have made kube-system yet.
	return poll(ctx, lang.Text{EN: "the API server to take CoreDNS", KO: "API 서버에 CoreDNS 적용"}, func() (bool, string) {
		if err := c.Regain(ctx, dns.Apply(ctx, client, o)); err != nil {
			return false, err.Error()
		}
		return true, ""
	})
}

// applyIngress puts the ingress controller into its namespace.
func (c *Cluster) applyIngress(ctx context.Context) error {
	cfg, err := c.RESTConfig()
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return err
	}
	return wait.During(ctx, lang.Text{EN: "the API server to take the ingress controller", KO: "API 서버에 인그레스 컨트롤러 적용"}, nil,
		func(ctx context.Context) error { return deploy.Apply(ctx, client, c.IngressImage) })
}

// WaitIngress returns when the ingress controller serves.
func (c *Cluster) WaitIngress(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return poll(ctx, lang.Text{EN: "the ingress controller", KO: "인그레스 컨트롤러"}, func() (bool, string) {
		d, err := client.AppsV1().Deployments(deploy.Namespace).Get(ctx, deploy.Name, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		return d.Status.AvailableReplicas > 0, lang.Textf("an available pod of %s", "사용 가능한 %s 파드", deploy.Name).String()
	})
}

// WaitReady returns when every target is Ready and DNS answers. A node counts only
// if its agent was heard after since: after a restore the store says of every
// node what it was when the snapshot was taken.
func (c *Cluster) WaitReady(ctx context.Context, since time.Time, note func(string)) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return wait.During(ctx, lang.Text{EN: "the cluster to be ready", KO: "클러스터 준비"}, c.watchUnits(), func(ctx context.Context) error {
		if err := c.nodesReady(ctx, client, since, note); err != nil {
			return err
		}
		if err := c.relieve(ctx, client, reliefLimit, note); err != nil {
			return err
		}
		if err := c.nodesReady(ctx, client, since, note); err != nil { // agents may just have been started
			return err
		}
		note("DNS")
		if err := c.askDNS(ctx); err != nil {
			return err
		}
		return c.each(ctx, c.unitsActive)
	})
}

func (c *Cluster) nodesReady(ctx context.Context, client kubernetes.Interface, since time.Time, note func(string)) error {
	last := ""
	return poll(ctx, lang.Text{EN: "the nodes to be Ready", KO: "노드의 Ready 상태"}, func() (bool, string) {
		waiting, err := c.notReady(ctx, client, since)
		if err = c.Regain(ctx, err); err != nil {
			return false, err.Error()
		}
		s := strings.Join(waiting, ", ")
		if s != last && s != "" {
			note(s)
		}
		last = s
		return len(waiting) == 0, s
	})
}

// activeLimit is how long a unit may take to be active when all else is ready.
const activeLimit = 30 * time.Second

// unitsActive waits until every unit of a node says that it is, but for the registry,
// which is started when the cluster is ready.
func (c *Cluster) unitsActive(ctx context.Context, n Node, m machine.Machine) error {
	ctx, cancel := context.WithTimeout(ctx, c.patient(activeLimit))
	defer cancel()
	units := slices.DeleteFunc(unitsOf(n), func(u string) bool { return u == unitRegistry })
	w := &unitWatch{machine: m, units: units}
	return wait.UntilResting(ctx, pollEvery, lang.Textf("the units of %s", "%s의 유닛", n.Name), w.look)
}

// notReady lists the nodes that are not yet as they should be, each with the
// reason. It gives the control node its role as soon as it is there: a node
// may not say of itself that it has one (NodeRestriction).
func (c *Cluster) notReady(ctx context.Context, client kubernetes.Interface, since time.Time) ([]string, error) {
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, lang.Errorf("listing the nodes: %w", "노드 목록 조회: %w", err)
	}
	byName := map[string]*v1.Node{}
	for i := range list.Items {
		byName[list.Items[i].Name] = &list.Items[i]
	}
	var waiting []string
	for _, want := range c.targets() {
		n := byName[want.Name]
		if n == nil {
			waiting = append(waiting, want.Name+": "+lang.T("not registered", "등록되지 않음"))
			continue
		}
		if _, has := n.Labels[controlPlaneLabel]; want.Control && !has {
			if err := labelControl(ctx, client, n.Name); err != nil {
				return nil, err
			}
		}
		if ready, why := conditions.NodeReady(n); !ready {
			waiting = append(waiting, want.Name+": "+why)
			continue
		}
		heard, err := heardSince(ctx, client, n.Name, since)
		if err != nil {
			return nil, err
		}
		if !heard {
			waiting = append(waiting, want.Name+": "+lang.T("its agent was not heard yet", "아직 에이전트의 소식이 없음"))
		}
	}
	return waiting, nil
}

// heardSince looks at the lease that the node's agent renews.
func heardSince(ctx context.Context, client kubernetes.Interface, node string, since time.Time) (bool, error) {
	if since.IsZero() {
		return true, nil
	}
	lease, err := client.CoordinationV1().Leases(v1.NamespaceNodeLease).Get(ctx, node, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, lang.Errorf("reading the lease of %s: %w", "%s의 리스 조회: %w", node, err)
	}
	return lease.Spec.RenewTime != nil && lease.Spec.RenewTime.After(since), nil
}

func labelControl(ctx context.Context, client kubernetes.Interface, name string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": map[string]string{
		controlPlaneLabel: "",
		"node.kubernetes.io/exclude-from-external-load-balancers": "",
	}}})
	if err != nil {
		return err
	}
	_, err = client.CoreV1().Nodes().Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return lang.Errorf("labelling the control node: %w", "컨트롤 플레인 노드에 레이블 붙이기: %w", err)
	}
	return nil
}

// askDNS waits until, seen from the control node, the cluster's DNS knows the
// API's own Service.
func (c *Cluster) askDNS(ctx context.Context) error {
	server := net.JoinHostPort(DNSAddress, "53")
	_, err := dns.Answering(ctx, c.control().Dial, server, "kubernetes.default.svc."+Domain)
	return err
}

// poll asks again and again until the answer is yes. When the context ends
// first, the error says what was still missing.
func poll(ctx context.Context, what lang.Text, ask func() (done bool, missing string)) error {
	return wait.UntilResting(ctx, pollEvery, what, func(context.Context) (bool, string, error) {
		done, missing := ask()
		return done, missing, nil
	})
}
