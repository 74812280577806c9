package backoff

import (
	"context"
	"time"

	"k8s.io/utils/clock"
)

// Wait returns nil after d, or as soon as ctx ends its error: a wait that nothing can
// end would keep its process from stopping.
func Wait(ctx context.Context, c clock.Clock, d time.Duration) error {
	timer := c.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C():
		return nil
	}
}
