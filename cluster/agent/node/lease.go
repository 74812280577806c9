package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"noriter.dev/noriter/cluster/backoff"
)

const (
	// leaseSeconds is for how long one renewal holds, if nothing else is asked for: the
	// kubelet's default of nodeLeaseDurationSeconds. After some 50 s of silence the node
	// lifecycle controller takes the node for dead.
	leaseSeconds = int32(40)
	// renewals is how often it is renewed in that time (nodeLeaseRenewIntervalFraction, a
	// quarter): three may get lost.
	renewals = 4
	// leaseRetry is the pause after one that failed.
	leaseRetry = 2 * time.Second
)

// leasePeriod is the pause between two renewals.
func (m *Manager) leasePeriod() time.Duration {
	return time.Duration(m.leaseSeconds()) * time.Second / renewals
}

func (m *Manager) leaseSeconds() int32 {
	if m.cfg.LeaseSeconds > 0 {
		return m.cfg.LeaseSeconds
	}
	return leaseSeconds
}

// renewLease keeps the node's Lease fresh until ctx is done (the lease controller of
// k8s.io/component-helpers/apimachinery/lease). It does not depend on anything else that
// the agent does: a node with a slow disk is slow, and not dead.
func (m *Manager) renewLease(ctx context.Context) {
	var lease *coordinationv1.Lease
	for {
		next, err := m.renew(ctx, lease)
		pause := m.leasePeriod()
		if err != nil {
			if ctx.Err() == nil {
				slog.Warn("renewing the node's lease failed, will try again", "in", leaseRetry, "error", err)
			}
			// Whatever is there now has to be read again.
			next, pause = nil, leaseRetry
		}
		lease = next
		if backoff.Wait(ctx, m.cfg.Clock, pause) != nil {
			return
		}
	}
}

// renew updates the Lease last seen, reading or creating it if need be.
func (m *Manager) renew(ctx context.Context, last *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	leases := m.cfg.Client.CoordinationV1().Leases(v1.NamespaceNodeLease)
	if last == nil {
		got, err := leases.Get(ctx, m.cfg.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			made, err := leases.Create(ctx, m.lease(nil), metav1.CreateOptions{})
			if err != nil {
				return nil, fmt.Errorf("creating it: %w", err)
			}
			return made, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading it: %w", err)
		}
		last = got
	}
	got, err := leases.Update(ctx, m.lease(last), metav1.UpdateOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, errors.New("somebody deleted it")
	case err != nil:
		return nil, fmt.Errorf("updating it: %w", err)
	}
	return got, nil
}

// lease is the Lease as it should be now.
func (m *Manager) lease(last *coordinationv1.Lease) *coordinationv1.Lease {
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: v1.NamespaceNodeLease, Name: m.cfg.Name}}
	if last != nil {
		lease = last.DeepCopy()
	}
	seconds, holder, now := m.leaseSeconds(), m.cfg.Name, metav1.NewMicroTime(m.cfg.Clock.Now())
	lease.Spec.LeaseDurationSeconds, lease.Spec.HolderIdentity, lease.Spec.RenewTime = &seconds, &holder, &now
	// It goes when the Node goes.
	if node := m.Node(); node != nil {
		lease.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID}}
	}
	return lease
}
