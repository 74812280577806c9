package agent

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	v1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"noriter.dev/noriter/cluster/agent/runtime/fake"
)

func parse(t *testing.T, args ...string) *Options {
	t.Helper()
	o := &Options{}
	fs := pflag.NewFlagSet("agent", pflag.ContinueOnError)
	o.AddFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestDefaultsAreValid(t *testing.T) {
	if err := parse(t).Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidateNamesEveryMistake(t *testing.T) {
	err := parse(t, "--node-ip=x", "--cluster-dns=y", "--container-runtime-endpoint=/run/c.sock", "--root-dir=var", "--cgroup-driver=z",
		"--max-pods=0", "--register-with-taints=a:Never", "--capacity-memory=much", "--image-gc-low-threshold=101", "--tls-cert-file=c").Validate()
	if err == nil {
		t.Fatal("all of it is taken")
	}
	for _, flag := range []string{"node-ip", "cluster-dns", "container-runtime-endpoint", "root-dir", "cgroup-driver", "max-pods", "register-with-taints", "capacity-memory", "image-gc-high-threshold", "tls-cert-file"} {
		if !strings.Contains(err.Error(), "--"+flag+": ") {
			t.Errorf("nothing about --%s in\n%v", flag, err)
		}
	}
}

func TestTaints(t *testing.T) {
	o := parse(t, "--register-with-taints=node-role.kubernetes.io/control-plane=:NoSchedule,a=b:NoExecute")
	got, err := o.taints()
	want := []v1.Taint{{Key: "node-role.kubernetes.io/control-plane", Effect: "NoSchedule"}, {Key: "a", Value: "b", Effect: "NoExecute"}}
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%v %v", got, err)
	}
}

func FuzzTaint(f *testing.F) {
	f.Add("a=b:NoSchedule")
	f.Fuzz(func(t *testing.T, text string) {
		if taint, err := parseTaint(text); err == nil && (taint.Key == "" || taint.Effect == "") {
			t.Errorf("%q made %+v", text, taint)
		}
	})
}

func TestImageGC(t *testing.T) {
	r := fake.New("used:1", "old:1", "new:1")
	used := &cri.ContainerConfig{Metadata: &cri.ContainerMetadata{Name: "c"}, Image: &cri.ImageSpec{Image: "sha256:used:1"}}
	if _, err := r.CreateContainer(t.Context(), "s", used, &cri.PodSandboxConfig{}); err != nil {
		t.Fatal(err)
	}
	percent := 50
	gc := &imageGC{high: 85, low: 80, containers: imageRefs{r}, images: r, usage: func() (int, error) { return percent, nil },
		unused: map[string]time.Time{"sha256:old:1": time.Unix(1, 0)}}
	if err := gc.collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if calls := r.Calls(); len(calls) != 1 {
		t.Fatalf("removed something from a disk half empty: %q", calls)
	}
	percent = 90
	gc.usage = func() (int, error) { percent -= 5; return percent + 5, nil } // every removal helps a little
	if err := gc.collect(t.Context()); err != nil {
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
