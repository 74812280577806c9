package ingress

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	v1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/backoff"
	"noriter.dev/noriter/cluster/trace"
)

const (
	// gather is how long a change waits for others that come with it: a rollout
	// changes a Service's endpoints several times within milliseconds.
	gather = 20 * time.Millisecond
	// retry is the pause after a failure that no Ingress is to blame for.
	retry = time.Second
)

// controller brings nginx to what the API says, again and again.
type controller struct {
	client   kubernetes.Interface
	watch    *watcher
	nginx    *nginx
	recorder record.EventRecorder
	// self is the pod that this runs in.
	self *v1.ObjectReference

	serving   string               // the sum of the configuration at work
	reported  map[types.UID]string // what each Ingress's author was told last
	announced map[types.UID]string // the state of an Ingress that was last taken up
}

// run works until ctx ends or nginx does.
func (c *controller) run(ctx context.Context) error {
	for {
		wait := time.Duration(0)
		if err := c.sync(ctx); err != nil && ctx.Err() == nil {
			slog.Warn("will try again", "error", err)
			wait = retry
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-c.nginx.ended():
			return fmt.Errorf("nginx has ended by itself: %w", err)
		case <-after(wait):
		case <-c.watch.changed:
			_ = backoff.Wait(ctx, clock.RealClock{}, gather) // the loop ends with ctx
		}
	}
}

// after is time.After that never comes for 0.
func after(d time.Duration) <-chan time.Time {
	if d == 0 {
		return nil
	}
	return time.After(d)
}

// sync looks at the world once and makes nginx serve it. It does not ask what changed: the
// configuration is built anew each time, and only a text that differs is a reload.
func (c *controller) sync(ctx context.Context) error {
	world, err := c.watch.world()
	if err != nil {
		return err
	}
	c.announce(world.Ingresses)
	config, problems, bad, err := bisect(ctx, world, func(ctx context.Context, config nginxConfig) error {
		text, sum := write(config, c.nginx.settings)
		if sum == c.serving {
			return nil // nginx is at work with it
		}
		return c.nginx.test(ctx, text, config.Certificates)
	})
	if err != nil {
		return fmt.Errorf("testing the configuration: %w", err)
	}
	for _, b := range bad {
		problems = append(problems, problem{b.ingress, reasonReload, fmt.Sprintf("Error reloading NGINX: %v", b.err)})
	}
	text, sum := write(config, c.nginx.settings)
	if sum != c.serving {
		if err := c.nginx.apply(ctx, text, sum, config.Certificates); err != nil {
			return err
		}
		c.serving = sum
		c.recorder.Event(c.self, v1.EventTypeNormal, reasonReload, "NGINX reload triggered due to a change in configuration")
		slog.Info("nginx reloaded", "configuration", sum, "servers", len(config.Servers), "upstreams", len(config.Upstreams))
	}
	c.reportProblems(ctx, world.Ingresses, problems)
	return c.updateStatus(ctx, world.Ingresses)
}

// announce says of each Ingress that is new or has changed that it was seen.
func (c *controller) announce(ingresses []*networkingv1.Ingress) {
	seen := map[types.UID]string{}
	for _, ing := range ingresses {
		seen[ing.UID] = fmt.Sprintf("%d %v", ing.Generation, ing.Annotations)
		if c.announced[ing.UID] != seen[ing.UID] {
			c.recorder.Event(ing, v1.EventTypeNormal, "Sync", "Scheduled for sync")
		}
	}
	c.announced = seen
}

var digits = regexp.MustCompile(`[0-9]+`)

// reportProblems reports problems by an event, once for as long as they stay the same.
func (c *controller) reportProblems(ctx context.Context, ingresses []*networkingv1.Ingress, problems []problem) {
	text := map[types.UID]string{}
	for _, p := range problems {
		// Without digits: nginx names the line, and each other Ingress moves it.
		text[p.Ingress.UID] += p.Reason + " " + digits.ReplaceAllString(p.Message, "0") + "\n"
	}
	for _, p := range problems {
		if c.reported[p.Ingress.UID] == text[p.Ingress.UID] {
			continue
		}
		c.recorder.Event(p.Ingress, v1.EventTypeWarning, p.Reason, p.Message)
		trace.Decide(ctx, trace.For(p.Ingress), "not served as written", p.Message, "reason", p.Reason)
	}
	for _, ing := range ingresses {
		if text[ing.UID] == "" && c.reported[ing.UID] != "" {
			trace.Decide(ctx, trace.For(ing), "served as written", "what was wrong with it has been mended")
		}
	}
	c.reported = text
}
