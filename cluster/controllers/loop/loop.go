// Package loop is the shape that all control loops share: a queue of object names,
// workers that bring one object at a time closer to what is asked for, and the
// rules for trying again.
//
// The queue holds names ("namespace/name") and never the objects. What happened
// does not matter, only how things are when the worker looks; ten events about one
// object while it waits are one entry. So a loop that missed an event, or was not
// running when it happened, does the right thing all the same.
package loop

import (
	"context"
	"log/slog"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
)

// Sync brings the object called key closer to what it asks for. An error means
// "try again later"; nil means that there is nothing left to do until an event.
// It is never called for the same key by two workers at once.
type Sync func(ctx context.Context, key string) error

// Loop is a queue with its workers.
type Loop struct {
	name  string
	queue workqueue.TypedRateLimitingInterface[string]
	sync  Sync
	log   *slog.Logger
}

// New makes the loop called name. Tests give a clock of their own.
func New(name string, clk clock.WithTicker, sync Sync) *Loop {
	return &Loop{
		name: name, sync: sync, log: slog.With("controller", name),
		queue: workqueue.NewTypedRateLimitingQueueWithConfig(
			// client-go's usual limits: 5 ms doubling to 1000 s for each key that keeps
			// failing, and 10 retries a second for all keys together, 100 at once.
			workqueue.DefaultTypedControllerRateLimiter[string](),
			workqueue.TypedRateLimitingQueueConfig[string]{Name: name, Clock: clk}),
	}
}

// Add puts the object into the queue. A key that waits there already is not added a
// second time.
func (l *Loop) Add(obj any) {
	if key, ok := l.key(obj); ok {
		l.queue.Add(key)
	}
}

// AddKey is Add for a name.
func (l *Loop) AddKey(key string) { l.queue.Add(key) }

// AddAll puts everything that the cache holds into the queue: for what changes the
// answer for every object, such as a new node.
func (l *Loop) AddAll(objects cache.Store) {
	for _, obj := range objects.List() {
		l.Add(obj)
	}
}

// AddAfter puts the object into the queue when the time has passed: for what
// changes by itself, as a pod that becomes available by having been ready long
// enough. No event tells of that.
func (l *Loop) AddAfter(obj any, after time.Duration) {
	if key, ok := l.key(obj); ok {
		l.queue.AddAfter(key, after)
	}
}

func (l *Loop) key(obj any) (string, bool) {
	// A deletion that the watch missed arrives as a tombstone, which has the key.
	key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(obj)
	if err != nil {
		l.log.Error("an event without a name was dropped", "error", err)
		return "", false
	}
	return key, true
}

// Run works until ctx ends, and returns when the last worker has finished.
// The caches that sync reads must have been filled before: to a loop that reads an
// empty cache, every pod is missing.
func (l *Loop) Run(ctx context.Context, workers int) {
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for l.next(ctx) {
			}
		})
	}
	<-ctx.Done()
	l.queue.ShutDown() // wakes the workers that wait for a key
	running.Wait()
}

// next handles one key. It is false when the queue has been shut down. Upstream has
// it in each controller, as processNextWorkItem.
func (l *Loop) next(ctx context.Context) bool {
	key, down := l.queue.Get()
	if down {
		return false
	}
	// Until Done the queue hands this key to nobody else: if it is added meanwhile,
	// it is kept back and comes again afterwards. That is why no sync needs a lock.
	defer l.queue.Done(key)

	if err := l.sync(ctx, key); err != nil {
		switch {
		case ctx.Err() != nil: // shutting down
		case apierrors.IsConflict(err):
			// Somebody changed the object after our cache last heard of it. Nothing is
			// wrong: the change will be there when we look again.
			l.log.Debug("read too early, will look again", "key", key, "error", err)
		default:
			l.log.Warn("will try again", "key", key, "failures", l.queue.NumRequeues(key)+1, "error", err)
		}
		// Each failure in a row waits twice as long as the last, so that an object
		// that can't be helped costs little and does not hold up the others.
		l.queue.AddRateLimited(key)
		return true
	}
	// Success ends the row of failures: the next one starts with a short wait again.
	l.queue.Forget(key)
	return true
}
