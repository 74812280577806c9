package ingress

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	v1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"noriter.dev/noriter/cluster/conditions"
)

// podLabels find the controller's pods.
var podLabels = labels.Set{"app.kubernetes.io/name": "ingress-nginx", "app.kubernetes.io/component": "controller"}

// updateStatus writes into each Ingress where it can be reached: the addresses of
// the nodes with a ready pod of the controller. All of those pods would write the
// same, which is why none has to lead.
func (c *controller) updateStatus(ctx context.Context, ingresses []*networkingv1.Ingress) error {
	pods, err := c.watch.pods.List(labels.SelectorFromSet(podLabels))
	if err != nil {
		return fmt.Errorf("looking for the controller's pods: %w", err)
	}
	want := addresses(pods)
	if len(want) == 0 {
		return nil // not yet ready ourselves: the one who is knows better
	}
	var errs []error
	for _, ing := range ingresses {
		if equality.Semantic.DeepEqual(ing.Status.LoadBalancer.Ingress, want) {
			continue
		}
		update := ing.DeepCopy()
		update.Status.LoadBalancer.Ingress = want
		_, err := c.client.NetworkingV1().Ingresses(ing.Namespace).UpdateStatus(ctx, update, metav1.UpdateOptions{})
		// A conflict means that it has changed, and that its new state is about to come.
		if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("writing the status of %s: %w", key(ing), err))
		}
	}
	return errors.Join(errs...)
}

func addresses(pods []*v1.Pod) []networkingv1.IngressLoadBalancerIngress {
	var ips []netip.Addr
	for _, p := range pods {
		ip, err := netip.ParseAddr(p.Status.HostIP)
		if err == nil && p.DeletionTimestamp == nil && conditions.PodReady(p) {
			ips = append(ips, ip)
		}
	}
	slices.SortFunc(ips, netip.Addr.Compare)
	var list []networkingv1.IngressLoadBalancerIngress
	for _, ip := range slices.Compact(ips) {
		list = append(list, networkingv1.IngressLoadBalancerIngress{IP: ip.String()})
	}
	return list
}
