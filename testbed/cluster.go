package testbed

import (
	"context"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"noriter.dev/noriter/cluster/images"
	"noriter.dev/noriter/cluster/install"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/step"
)

// RunSteps runs a list of steps, with the time that the testbed's machines need. Its error
// says what mends it, where that is known.
func (t *Testbed) RunSteps(ctx context.Context, steps []step.Step, report step.Reporter) error {
	return t.mended(step.Run(ctx, step.Patient(steps, t.Traits().Patience()), report))
}

// newCluster is the testbed's cluster, for one run; programs may be empty where
// none are sent.
func (t *Testbed) newCluster(programs string) *install.Cluster {
	return &install.Cluster{
		Name: t.Name(), Nodes: t.nodes(), Subnet: t.state.Subnet, Dir: t.Dir(), Dial: t.Dialer(), Traits: t.Traits(), BinDir: programs,
	}
}

// useImages tells a cluster which container images its nodes get.
func (t *Testbed) useImages(ctx context.Context, c *install.Cluster, programs string, note func(string)) error {
	b, err := t.home.containerImages(ctx, programs, note)
	if err != nil {
		return err
	}
	c.BaseImages, c.DNSImages, c.AppImages, c.SeedImages = b.Base, b.DNS, b.Apps, b.Seed
	c.PauseImage, c.DNSImage = images.Full(images.PauseRef), images.CoreDNSRef
	c.IngressImage = images.IngressRef
	t.bundle = b.Dir
	t.packed = packedItems(programs, b)
	return nil
}

// othersLimit is how long a machine that is only to be told something may take
// to answer; one that is off gets the news by the next `nori up`.
const othersLimit = 3 * time.Second

// dialOthers connects to the machines that the cluster has no connection to yet,
// but for those named.
func (t *Testbed) dialOthers(ctx context.Context, c *install.Cluster, but ...string) {
	for _, name := range t.Machines() {
		if c.Machine(name) != nil || slices.Contains(but, name) {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, t.Patient(othersLimit))
		if m, err := t.Dial(limited, name); err == nil {
			c.SetMachine(m)
		}
		cancel()
	}
}

// forgetNode deletes a Node and what ran on it. The garbage collector of pods
// would remove those of a node that is not there, but only after a quarantine:
// until then a Deployment, CoreDNS' too, takes them for replicas that it has.
func forgetNode(ctx context.Context, client kubernetes.Interface, name string) error {
	err := client.CoreV1().Nodes().Delete(ctx, name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return lang.Errorf("deleting the node: %w", "노드 삭제: %w", err)
	}
	// After the node: what replaces a pod must not be put onto it again.
	pods, err := client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + name})
	if err != nil {
		return lang.Errorf("listing the node's pods: %w", "노드의 파드 조회: %w", err)
	}
	for _, p := range pods.Items {
		err := client.CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, *metav1.NewDeleteOptions(0))
		if err != nil && !apierrors.IsNotFound(err) {
			return lang.Errorf("deleting the node's pod %s/%s: %w", "노드의 파드 %s/%s 삭제: %w", p.Namespace, p.Name, err)
		}
	}
	err = client.CoordinationV1().Leases(v1.NamespaceNodeLease).Delete(ctx, name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return lang.Errorf("deleting the node's lease: %w", "노드의 리스 삭제: %w", err)
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
		return nil, lang.Errorf("making a client for testbed %q: %w", "테스트베드 %q의 클라이언트 만들기: %w", t.Name(), err)
	}
	return client, nil
}
