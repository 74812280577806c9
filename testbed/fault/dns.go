package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"noriter.dev/noriter/cluster/conditions"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/testbed"
)

const (
	dnsDeployment = "coredns"
	dnsLabel      = "k8s-app=kube-dns"
	undoReplicas  = "replicas"
)

var dnsDown = &Fault{
	Name: "dns-down", Level: 1,
	What: lang.Text{EN: "the cluster's DNS has no pod any more", KO: "클러스터 DNS의 파드를 모두 없앰"},
	Symptom: lang.Text{
		EN: "Services are reached by address but not by name: \"bad address\", \"could not resolve host\"",
		KO: "서비스에 주소로는 닿지만 이름으로는 닿지 않습니다: \"bad address\", \"could not resolve host\"",
	},
	targets: func(context.Context, *world) ([]testbed.Fault, error) {
		return []testbed.Fault{{Namespace: metav1.NamespaceSystem, Object: dnsDeployment}}, nil
	},
	plan: func(ctx context.Context, w *world, f *testbed.Fault, _ *rand.Rand) error {
		c, err := w.client()
		if err != nil {
			return err
		}
		scale, err := c.AppsV1().Deployments(f.Namespace).GetScale(ctx, f.Object, metav1.GetOptions{})
		if err != nil {
			return lang.Errorf("looking at the cluster's DNS: %w", "클러스터 DNS 조회: %w", err)
		}
		f.Undo = map[string]string{undoReplicas: strconv.Itoa(int(scale.Spec.Replicas))}
		return nil
	},
	inject: func(ctx context.Context, w *world, f testbed.Fault) error { return w.scale(ctx, f, "0") },
	recover: func(ctx context.Context, w *world, f testbed.Fault) error {
		replicas := f.Undo[undoReplicas]
		if replicas == "" || replicas == "0" {
			replicas = "1"
		}
		return w.scale(ctx, f, replicas)
	},
	look: func(ctx context.Context, w *world, f testbed.Fault) (Sight, error) {
		works, err := w.resolves(ctx, testbed.ControlName)
		if err != nil {
			return Sight{}, err
		}
		c, err := w.client()
		if err != nil {
			return Sight{}, err
		}
		ready, err := w.readyDNS(ctx, c)
		if err != nil {
			return Sight{}, err
		}
		s := Sight{Seen: lang.Textf("pods that are ready: %d; a name is %s", "준비된 파드 %d개, 이름을 %s", ready, either(works,
			lang.Text{EN: "resolved", KO: "찾음"}, lang.Text{EN: "not resolved", KO: "찾지 못함"}))}
		switch {
		case works && ready > 0:
			s.State = Whole
		case !works && ready == 0:
			s.State = Broken
		}
		return s, nil
	},
}

// readyDNS counts the ready pods of the cluster's DNS themselves: a Deployment's status may
// lag behind.
func (w *world) readyDNS(ctx context.Context, c kubernetes.Interface) (int, error) {
	pods, err := c.CoreV1().Pods(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{LabelSelector: dnsLabel})
	if err != nil {
		return 0, lang.Errorf("looking at the cluster's DNS: %w", "클러스터 DNS 조회: %w", err)
	}
	ready := 0
	for i := range pods.Items {
		if p := &pods.Items[i]; p.DeletionTimestamp == nil && conditions.PodReady(p) {
			ready++
		}
	}
	return ready, nil
}

// scale sets the replicas of the deployment in a record.
func (w *world) scale(ctx context.Context, f testbed.Fault, replicas string) error {
	c, err := w.client()
	if err != nil {
		return err
	}
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%s}}`, replicas)
	if _, err := c.AppsV1().Deployments(f.Namespace).Patch(ctx, f.Object, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return lang.Errorf("scaling %s to %s: %w", "%s의 레플리카를 %s개로 조정: %w", f.Object, replicas, err)
	}
	return nil
}
