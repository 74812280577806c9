package nodeipam

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/component/fakeapi"
)

func node(name, cidr string) *v1.Node {
	return &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.NodeSpec{PodCIDR: cidr}}
}

func start(t *testing.T, cluster string, objects ...runtime.Object) (*fakeapi.API, *record.FakeRecorder) {
	t.Helper()
	api := fakeapi.New(t, objects...)
	events := record.NewFakeRecorder(1000)
	c, err := New(api.Client, api.Factory, events, clock.RealClock{}, netip.MustParsePrefix(cluster), 24, netip.MustParsePrefix("10.96.0.0/16"))
	if err != nil {
		t.Fatal(err)
	}
	api.Start(t)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := c.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return api, events
}

func cidr(t *testing.T, api *fakeapi.API, name string) string {
	t.Helper()
	got := ""
	fakeapi.Eventually(t, func() string {
		n, err := api.Client.CoreV1().Nodes().Get(context.Background(), name, metav1.GetOptions{})
		if err != nil {
			return err.Error()
		}
		got = n.Spec.PodCIDR
		if got == "" || len(n.Spec.PodCIDRs) != 1 && n.Spec.PodCIDRs != nil {
			return fmt.Sprintf("node %s has no podCIDR", name)
		}
		return ""
	})
	return got
}

func TestNodesGetDifferentBlocksQuickly(t *testing.T) {
	api, _ := start(t, "10.244.0.0/16", node("old", "10.244.1.0/24"))
	seen := map[string]string{"10.244.1.0/24": "old"}
	began := time.Now()
	for i := range 9 {
		name := fmt.Sprintf("node%d", i)
		if _, err := api.Client.CoreV1().Nodes().Create(context.Background(), node(name, ""), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		got := cidr(t, api, name)
		if seen[got] != "" {
			t.Errorf("%s and %s both have %s", seen[got], name, got)
		}
		seen[got] = name
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("nine nodes took %v", took)
	}
}

// Which node is looked at first must not matter after a restart.
func TestBlocksInUseAreKnownFromTheStart(t *testing.T) {
	api, _ := start(t, "10.244.0.0/16", node("a", ""), node("z", "10.244.0.0/24"))
	if got := cidr(t, api, "a"); got == "10.244.0.0/24" {
		t.Errorf("a has %s, which is z's", got)
	}
}

func TestBlocksOfRemovedNodesAreUsedAgainWhenAllAreTaken(t *testing.T) {
	api, events := start(t, "10.244.0.0/23", node("a", ""), node("b", ""))
	cidrA := cidr(t, api, "a")
	cidr(t, api, "b")
	if _, err := api.Client.CoreV1().Nodes().Create(context.Background(), node("c", ""), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if event := <-events.Events; !strings.Contains(event, "CIDRNotAvailable Node c status is now: CIDRNotAvailable") {
		t.Errorf("event %q", event)
	}
	if err := api.Client.CoreV1().Nodes().Delete(context.Background(), "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := cidr(t, api, "c"); got != cidrA {
		t.Errorf("c has %s, want that of a, %s", got, cidrA)
	}
}

func TestBlocks(t *testing.T) {
	for _, c := range []struct {
		cidr string
		bits int
		want string
	}{
		{"10.244.0.0/16", 15, "between /16 and /30"}, {"10.244.0.0/16", 31, "between"}, {"fd00::/48", 64, "IPv4"}, {"10.0.0.0/8", 30, "at most"},
	} {
		if _, err := newCIDRSet(netip.MustParsePrefix(c.cidr), c.bits); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("newCIDRSet(%s, %d) = %v, want …%s…", c.cidr, c.bits, err, c.want)
		}
	}
	b, err := newCIDRSet(netip.MustParsePrefix("10.244.0.0/16"), 24)
	if err != nil {
		t.Fatal(err)
	}
	b.exclude(netip.MustParsePrefix("10.244.0.128/25"))
	if got, _ := b.allocateNext(); got.String() != "10.244.1.0/24" {
		t.Errorf("first block %v, though 10.244.0.128/25 is excluded", got)
	}
	if !b.occupy(netip.MustParsePrefix("10.244.255.0/24")) || b.occupy(netip.MustParsePrefix("10.244.255.0/24")) {
		t.Error("a block can be taken other than once")
	}
	for _, other := range []string{"10.244.0.0/25", "10.245.0.0/24"} {
		if b.occupy(netip.MustParsePrefix(other)) {
			t.Errorf("%s is none of the blocks and was taken", other)
		}
	}
	for i := 2; i < 255; i++ {
		if _, ok := b.allocateNext(); !ok {
			t.Fatalf("no block after %d", i)
		}
	}
	if got, ok := b.allocateNext(); ok {
		t.Errorf("all are taken, and there is still %v", got)
	}
	b.release(netip.MustParsePrefix("10.244.7.0/24"))
	if got, _ := b.allocateNext(); got.String() != "10.244.7.0/24" {
		t.Errorf("got %v, want the one that was freed", got)
	}
}
