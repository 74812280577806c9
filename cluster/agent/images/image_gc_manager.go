package images

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

// gcPeriod is how often disk usage is looked at (ImageGCPeriod in
// pkg/kubelet/kubelet.go).
const gcPeriod = 5 * time.Minute

// GCPolicy says when images are removed, in percent of the disk: above High, until Low.
// The gap keeps the collector from removing one image after every pull.
type GCPolicy struct{ High, Low int }

// GCManager removes images that no container uses when the disk fills up, the ones unused
// for longest first: realImageGCManager in pkg/kubelet/images/image_gc_manager.go. Pinned
// images (the pause image) stay whatever happens.
type GCManager struct {
	node       string
	policy     GCPolicy
	containers ContainerLister
	images     runtime.Images
	usage      func() (percent int, err error)
	unused     map[string]time.Time // by image ID: since when
}

// ContainerLister tells which containers there are, and so which images are in use.
type ContainerLister interface {
	ListContainers(ctx context.Context, filter *cri.ContainerFilter) ([]*cri.Container, error)
}

// NewGCManager watches the disk that dir is on. node is the node's name, for the trace.
func NewGCManager(node, dir string, policy GCPolicy, containers ContainerLister, images runtime.Images) *GCManager {
	return &GCManager{
		node: node, policy: policy, containers: containers, images: images,
		usage: func() (int, error) { return diskUsage(dir) },
	}
}

// Run looks at the disk until ctx ends.
func (g *GCManager) Run(ctx context.Context) {
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		if err := g.garbageCollect(ctx); err != nil && ctx.Err() == nil {
			slog.Warn("removing unused images", "error", err)
		}
	}, gcPeriod)
}

// garbageCollect removes images until the disk is below the lower threshold. Layers are
// shared, so only the disk itself can tell what a removal has freed: it is asked before
// each.
func (g *GCManager) garbageCollect(ctx context.Context) error {
	candidates, err := g.imagesInEvictionOrder(ctx)
	if err != nil {
		return err
	}
	for _, image := range candidates {
		percent, err := g.usage()
		if err != nil {
			return err
		}
		if percent <= g.policy.Low || percent <= g.policy.High && image == candidates[0] {
			return nil
		}
		trace.Decide(ctx, trace.Object{Kind: "Node", Name: g.node}, "remove image "+name(image),
			"the disk is filling up and no container uses it", "usedPercent", percent, "limit", g.policy.High)
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

// imagesInEvictionOrder lists the images that may go, the one unused for longest first.
// The runtime does not know since when an image is unused. This remembers when it was
// first seen so, and after a restart of the agent all of them count as just used.
func (g *GCManager) imagesInEvictionOrder(ctx context.Context) ([]*cri.Image, error) {
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
		// A container may name its image by ID, by tag or by digest.
		inUse := used[i.Id] || i.Pinned
		for _, ref := range slices.Concat(i.RepoTags, i.RepoDigests) {
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
	// Bavail, not Bfree: what is reserved for root is of no use to pods.
	return int(100 - s.Bavail*100/s.Blocks), nil
}
