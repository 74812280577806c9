package images

import (
	"context"
	"strings"
	"testing"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"noriter.dev/noriter/cluster/agent/runtime/fake"
)

func TestImageGC(t *testing.T) {
	r := fake.New("used:1", "old:1", "new:1")
	used := &cri.ContainerConfig{Metadata: &cri.ContainerMetadata{Name: "c"}, Image: &cri.ImageSpec{Image: "sha256:used:1"}}
	if _, err := r.CreateContainer(t.Context(), "s", used, &cri.PodSandboxConfig{}); err != nil {
		t.Fatal(err)
	}
	percent := 50
	gc := &GCManager{policy: GCPolicy{High: 85, Low: 80}, containers: imageRefs{r}, images: r, usage: func() (int, error) { return percent, nil },
		unused: map[string]time.Time{"sha256:old:1": time.Unix(1, 0)}}
	if err := gc.garbageCollect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if calls := r.Calls(); len(calls) != 1 {
		t.Fatalf("removed something from a disk half empty: %q", calls)
	}
	percent = 90
	gc.usage = func() (int, error) { percent -= 5; return percent + 5, nil } // every removal helps a little
	if err := gc.garbageCollect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(r.Calls()[1:], ", "); got != "RemoveImage sha256:old:1, RemoveImage sha256:new:1" {
		t.Errorf("%s", got)
	}
}

// imageRefs lists containers with their image, as a real runtime does.
type imageRefs struct{ *fake.Runtime }

func (i imageRefs) ListContainers(ctx context.Context, f *cri.ContainerFilter) ([]*cri.Container, error) {
	list, err := i.Runtime.ListContainers(ctx, f)
	for _, c := range list {
		c.ImageRef = "sha256:used:1"
	}
	return list, err
}
