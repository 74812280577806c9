package component

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// LeaseTimes are those of an election. A leader that has not renewed for Duration may be
// replaced; it stops itself sooner, at RenewDeadline, so that no two lead at once even if
// clocks run unevenly. It tries to renew every RetryPeriod.
type LeaseTimes struct {
	Duration, RenewDeadline, RetryPeriod time.Duration
}

// DefaultLeaseTimes are upstream's. On a machine that is much slower a leader may not
// renew in time, though it is well: there the flags say more.
var DefaultLeaseTimes = LeaseTimes{Duration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second}

// AddFlags defines upstream's flags for them.
func (t *LeaseTimes) AddFlags(fs *pflag.FlagSet) {
	fs.DurationVar(&t.Duration, "leader-elect-lease-duration", DefaultLeaseTimes.Duration, "how long a leader that does not renew its lease stays one")
	fs.DurationVar(&t.RenewDeadline, "leader-elect-renew-deadline", DefaultLeaseTimes.RenewDeadline, "how long a leader tries to renew before it stops leading")
	fs.DurationVar(&t.RetryPeriod, "leader-elect-retry-period", DefaultLeaseTimes.RetryPeriod, "how often it tries")
}

// Validate says what is wrong with them, as client-go would when it is too late.
func (t LeaseTimes) Validate() error {
	if t.RetryPeriod <= 0 || t.RenewDeadline <= 2*t.RetryPeriod || t.Duration <= t.RenewDeadline {
		return fmt.Errorf("--leader-elect-lease-duration %v must be longer than --leader-elect-renew-deadline %v, and that longer than twice --leader-elect-retry-period %v",
			t.Duration, t.RenewDeadline, t.RetryPeriod)
	}
	return nil
}

// ErrLeaseLost ends a component that can't renew its lease: another may lead by
// now, and everything this one remembers may be old. systemd starts it afresh.
var ErrLeaseLost = errors.New("leadership lost: the lease could not be renewed in time")

// Election says under which lease in kube-system a component leads.
type Election struct {
	Lease  string // the Lease's name, "kube-scheduler"
	Client kubernetes.Interface
	Health *Health // bound before the election; see Run
	Times  LeaseTimes
}

// Run calls lead while this process holds the lease. It returns when lead does,
// when ctx ends (nil), or when the lease is lost (ErrLeaseLost). Before it returns
// it lets the lease go, so that a successor need not wait for it to expire.
//
// A process that was killed can't let go. Its successor on the same machine takes
// over at once all the same, because it uses the same identity, the host's name,
// and the holder of a lease may always renew it. That is safe only if no two such
// processes run at once: the health port sees to it, for only one can bind it.
// Without that port the identity is made unique, and an old lease has to run out.
func (e Election) Run(ctx context.Context, lead func(context.Context) error) error {
	identity, err := e.identity()
	if err != nil {
		return err
	}
	lock, err := e.lock(identity)
	if err != nil {
		return err
	}

	// The lease must outlive the work done under it: when ctx ends, lead is stopped
	// first and the election, which then releases the lease, after it.
	electing, stopElecting := context.WithCancel(context.WithoutCancel(ctx))
	defer stopElecting()
	t := &term{result: make(chan error, 1)}
	defer context.AfterFunc(ctx, func() {
		if !t.began.Load() {
			stopElecting()
		}
	})()

	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Name: e.Lease, Lock: lock, ReleaseOnCancel: true,
		LeaseDuration: e.Times.Duration, RenewDeadline: e.Times.RenewDeadline, RetryPeriod: e.Times.RetryPeriod,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(held context.Context) {
				t.began.Store(true)
				slog.Info("leading", "lease", e.Lease, "identity", identity)
				t.serve(ctx, held, lead)
				stopElecting()
			},
			OnStoppedLeading: func() {}, // client-go wants one; what there is to do comes below
			OnNewLeader:      func(holder string) { e.announce(holder, identity) },
		},
	})
	if err != nil {
		return fmt.Errorf("preparing the election for lease %s: %w", e.Lease, err)
	}
	elector.Run(electing)

	if !t.ended.Load() && ctx.Err() == nil {
		return fmt.Errorf("lease kube-system/%s: %w", e.Lease, ErrLeaseLost)
	}
	if !t.began.Load() {
		return nil // ctx ended before it was our turn
	}
	return <-t.result
}

func (e Election) announce(holder, identity string) {
	if holder != identity {
		slog.Info("waiting to lead", "lease", e.Lease, "holder", holder)
	}
}

// term is the time in which this process leads. There is one at most: whoever has lost
// the lease ends.
type term struct {
	began, ended atomic.Bool
	result       chan error // what lead returned; holds one
}

// serve calls lead with a context that ends with the lease (held) or with the process
// (ctx), whichever is first.
func (t *term) serve(ctx, held context.Context, lead func(context.Context) error) {
	held, stop := context.WithCancel(held)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	err := lead(held)
	t.ended.Store(true)
	t.result <- err
}

func (e Election) lock(identity string) (resourcelock.Interface, error) {
	lock, err := resourcelock.New(resourcelock.LeasesResourceLock, "kube-system", e.Lease,
		e.Client.CoreV1(), e.Client.CoordinationV1(), resourcelock.ResourceLockConfig{Identity: identity})
	if err != nil {
		return nil, fmt.Errorf("preparing lease kube-system/%s: %w", e.Lease, err)
	}
	return lock, nil
}

// identity is the name that this process writes into the lease.
func (e Election) identity() (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("finding the host's name to lead as: %w", err)
	}
	if e.Health != nil && e.Health.exclusive() {
		return host, nil
	}
	return host + "_" + string(uuid.NewUUID()), nil
}
