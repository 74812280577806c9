package podset

import (
	"context"
	"slices"
	"sync"
	"testing"

	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/controllers/loop"
)

// last is queued behind everything else, so that a test knows when all has come.
const last = "last"

// queue shows what a loop was given to do.
type queue struct {
	mu     sync.Mutex
	synced []string
	done   chan struct{}
}

func (q *queue) loop(t *testing.T) *loop.Loop {
	t.Helper()
	q.done = make(chan struct{})
	return loop.New("test", clock.RealClock{}, func(_ context.Context, key string) error {
		q.mu.Lock()
		defer q.mu.Unlock()
		if key == last {
			close(q.done)
		} else {
			q.synced = append(q.synced, key)
		}
		return nil
	})
}

// keys are the names that were queued, sorted.
func (q *queue) keys(t *testing.T, l *loop.Loop) []string {
	t.Helper()
	l.AddKey(last)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { l.Run(ctx, 1) })
	<-q.done
	cancel()
	running.Wait()
	slices.Sort(q.synced)
	return q.synced
}
