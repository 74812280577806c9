package agent

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/util/wait"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"noriter.dev/noriter/cluster/agent/runtime"
	"noriter.dev/noriter/cluster/trace"
)

// imageGCPeriod is how often disk usage is looked at, as upstream.
const imageGCPeriod = 5 * time.Minute

// imageGC removes images no container uses when the disk fills up: the ones unused
// for longest first. Pinned images stay whatever happens.
type imageGC struct {
	node       string
	high, low  int // percent
	containers interface {
		ListContainers(ctx context.Context, filter *cri.ContainerFilter) ([]*cri.Container, error)
	}
	images runtime.Images
	usage  func() (percent int, err error)
	unused map[string]time.Time // by image ID: since when
}

// run looks at the disk until ctx ends.
func (g *imageGC) run(ctx context.Context) {
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		if err := g.collect(ctx); err != nil && ctx.Err() == nil {
			slog.Warn("removing unused images", "error", err)
		}
	}, imageGCPeriod)
}

func (g *imageGC) collect(ctx context.Context) error {
	candidates, err := g.findUnused(ctx)
	if err != nil {
		return err
	}
	for _, image := range candidates {
		percent, err := g.usage()
		if err != nil {
			return err
		}
		if percent <= g.low || percent <= g.high && image == candidates[0] {
			return nil
		}
		trace.Decide(ctx, trace.Object{Kind: "Node", Name: g.node}, "remove image "+name(image),
			"the disk is filling up and no container uses it", "usedPercent", percent, "limit", g.high)
		if err := g.images.RemoveImage(ctx, &cri.ImageSpec{Image: image.Id}); err != nil {
			return fmt.Errorf("removing image %s: %w", name(image), err)
		}
	}
	return nil
}

func name(i *cri.Image) string {
	if len(i.RepoTags) > 0 {
		return i.RepoTags[0]
	}
	return i.Id
}

// findUnused lists the images that may go, the one unused for longest first.
func (g *imageGC) findUnused(ctx context.Context) ([]*cri.Image, error) {
	images, err := g.images.ListImages(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("listing images: %w", err)
	}
	containers, err := g.containers.ListContainers(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("listing containers: %w", err)
	}
	used := map[string]bool{}
	for _, c := range containers {
		used[c.ImageRef], used[c.GetImage().GetImage()] = true, true
	}
	since := map[string]time.Time{}
	var out []*cri.Image
	for _, i := range images {
		inUse := used[i.Id] || i.Pinned
		for _, ref := range append(append([]string(nil), i.RepoTags...), i.RepoDigests...) {
			inUse = inUse || used[ref]
		}
		if inUse {
			continue
		}
		if since[i.Id] = g.unused[i.Id]; since[i.Id].IsZero() {
			since[i.Id] = time.Now()
		}
		out = append(out, i)
	}
	g.unused = since
	slices.SortStableFunc(out, func(a, b *cri.Image) int { return since[a.Id].Compare(since[b.Id]) })
	return out, nil
}

// diskUsage is how full the file system of a directory is, in percent.
func diskUsage(dir string) (int, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("asking how full the disk of %s is: %w", dir, err)
	}
	if s.Blocks == 0 {
		return 0, nil
	}
	return int(100 - s.Bavail*100/s.Blocks), nil
}
