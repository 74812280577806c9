package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/record"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"noriter.dev/noriter/cluster/agent/node/machine"
	"noriter.dev/noriter/cluster/conditions"
)

func isReady(n *v1.Node) bool {
	ready, _ := conditions.NodeReady(n)
	return ready
}

// fakeRuntime answers as a runtime would.
type fakeRuntime struct {
	mu      sync.Mutex
	down    error
	network string // why it isn't ready; empty if it is
	images  []*cri.Image
}

func (f *fakeRuntime) set(network string, down error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.network, f.down = network, down
}

func (f *fakeRuntime) Version(context.Context, string) (*cri.VersionResponse, error) {
	return &cri.VersionResponse{RuntimeName: "containerd", RuntimeVersion: "1.7.24"}, nil
}

func (f *fakeRuntime) Status(context.Context, bool) (*cri.StatusResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down != nil {
		return nil, f.down
	}
	network := &cri.RuntimeCondition{Type: cri.NetworkReady, Status: f.network == "", Message: f.network}
	if f.network != "" {
		network.Reason = "NetworkPluginNotReady"
	}
	return &cri.StatusResponse{Status: &cri.RuntimeStatus{Conditions: []*cri.RuntimeCondition{{Type: cri.RuntimeReady, Status: true}, network}}}, nil
}

func (f *fakeRuntime) ListImages(context.Context, *cri.ImageFilter) ([]*cri.Image, error) {
	return f.images, nil
}

func (f *fakeRuntime) ImageFsInfo(context.Context) (*cri.ImageFsInfoResponse, error) {
	return nil, errors.New("unknown")
}

const noCNI = "Network plugin returns error: cni plugin not initialized"

type bench struct {
	*Manager
	client  *fake.Clientset
	clock   *clocktesting.FakeClock
	runtime *fakeRuntime
	events  *record.FakeRecorder
	root    string
}

func (b *bench) file(t *testing.T, path, text string) {
	t.Helper()
	full := filepath.Join(b.root, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func newBench(t *testing.T, change func(*Config), objects ...runtime.Object) *bench {
	t.Helper()
	b := &bench{client: fake.NewClientset(objects...), clock: clocktesting.NewFakeClock(time.Unix(1_800_000_000, 0)),
		runtime: &fakeRuntime{}, events: record.NewFakeRecorder(100), root: t.TempDir()}
	b.file(t, "/proc/meminfo", "MemTotal: 2097152 kB\nMemFree: 1048576 kB\nMemAvailable: 1048576 kB\n")
	b.file(t, "/proc/loadavg", "0 0 0 1/100 7\n")
	b.file(t, "/proc/sys/kernel/pid_max", "32768\n")
	b.file(t, "/proc/sys/kernel/threads-max", "32768\n")
	b.file(t, "/proc/sys/kernel/random/boot_id", "boot-1\n")
	b.file(t, "/etc/machine-id", "machine-1\n")
	// The API server gives UIDs.
	uid := 0
	b.client.PrependReactor("create", "nodes", func(a clienttesting.Action) (bool, runtime.Object, error) {
		uid++
		a.(clienttesting.CreateAction).GetObject().(*v1.Node).UID = types.UID(fmt.Sprintf("uid-%d", uid))
		return false, nil, nil
	})
	cfg := Config{Client: b.client, Name: "node1", IP: net.ParseIP("10.77.0.11"), Runtime: b.runtime, Images: b.runtime, Recorder: b.events,
		Clock: b.clock, Machine: machine.Machine{Root: b.root}, RootDir: "/", Pressure: Thresholds{DiskBytes: 1}}
	if change != nil {
		change(&cfg)
	}
	m, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.Manager = m
	return b
}

func (b *bench) start(t *testing.T) {
	t.Helper()
	b.Manager.runtime.look(t.Context(), b.runtime, b.clock.Now())
	if err := b.registerWithAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// look does one round of reporting and gives the Node that the API server has.
func (b *bench) look(t *testing.T) *v1.Node {
	t.Helper()
	b.Manager.runtime.look(t.Context(), b.runtime, b.clock.Now())
	if _, err := b.tryUpdateNodeStatus(t.Context()); err != nil {
		t.Fatal(err)
	}
	node, err := b.client.CoreV1().Nodes().Get(t.Context(), "node1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return node
}

func (b *bench) drain() []string {
	var all []string
	for {
		select {
		case e := <-b.events.Events:
			all = append(all, e)
		default:
			return all
		}
	}
}

func (b *bench) patches() int {
	n := 0
	for _, a := range b.client.Actions() {
		if a.GetVerb() == "patch" {
			n++
		}
	}
	return n
}

func TestRegistersWithWhatANodeHas(t *testing.T) {
	b := newBench(t, func(c *Config) {
		c.Machine.CPULimit = 1
		c.Labels = map[string]string{"node.kubernetes.io/pool": "a"}
		c.Taints = []v1.Taint{{Key: "node-role.kubernetes.io/control-plane", Effect: v1.TaintEffectNoSchedule}}
	})
	b.runtime.set(noCNI, nil)
	b.runtime.images = []*cri.Image{
		{Size: 5, RepoTags: []string{"small:1"}}, {Size: 9, RepoTags: []string{"big:1"}, RepoDigests: []string{"big@sha256:1"}}, {Size: 99},
	}
	b.start(t)
	node := b.Node()
	for label, want := range map[string]string{v1.LabelHostname: "node1", v1.LabelOSStable: "linux", "beta.kubernetes.io/os": "linux", "node.kubernetes.io/pool": "a"} {
		if node.Labels[label] != want {
			t.Errorf("label %s is %q, want %q", label, node.Labels[label], want)
		}
	}
	if len(node.Spec.Taints) != 1 || node.Annotations[attachDetach] != "true" {
		t.Errorf("taints %v, annotations %v", node.Spec.Taints, node.Annotations)
	}
	for name, want := range map[v1.ResourceName]string{"cpu": "1", "memory": "2Gi", "pods": "110", "hugepages-2Mi": "0"} {
		if got := node.Status.Capacity[name]; got.String() != want {
			t.Errorf("capacity of %s is %s, want %s", name, got.String(), want)
		}
	}
	if got := node.Status.Allocatable.Cpu().String(); got != "1" {
		t.Errorf("allocatable processors are %s, want those of the machine", got)
	}
	if got := node.Status.Allocatable.Memory().String(); got != "1948Mi" {
		t.Errorf("allocatable memory is %s, want 2 GiB less 100 MiB", got)
	}
	info := node.Status.NodeInfo
	if info.ContainerRuntimeVersion != "containerd://1.7.24" || info.KubeletVersion != "v1.37.0" || info.BootID != "boot-1" || info.MachineID != "machine-1" {
		t.Errorf("info %+v", info)
	}
	if a := node.Status.Addresses; len(a) != 2 || a[0].Address != "10.77.0.11" || a[0].Type != v1.NodeInternalIP || a[1].Address != "node1" {
		t.Errorf("addresses %v", a)
	}
	if i := node.Status.Images; len(i) != 2 || !slices.Equal(i[0].Names, []string{"big:1", "big@sha256:1"}) || i[1].SizeBytes != 5 {
		t.Errorf("images %v", i)
	}
	if node.Status.DaemonEndpoints.KubeletEndpoint.Port != 10250 {
		t.Error("port")
	}
	var kinds []string
	for _, c := range node.Status.Conditions {
		kinds = append(kinds, fmt.Sprintf("%s=%s %s", c.Type, c.Status, c.Reason))
	}
	if want := []string{"MemoryPressure=False KubeletHasSufficientMemory", "DiskPressure=False KubeletHasNoDiskPressure",
		"PIDPressure=False KubeletHasSufficientPID", "Ready=False KubeletNotReady"}; !slices.Equal(kinds, want) {
		t.Errorf("conditions %v, want %v", kinds, want)
	}
	want := "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:" + noCNI
	if got := conditions.Node(&node.Status, v1.NodeReady).Message; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := b.drain(); !slices.Equal(got, []string{"Normal Starting Starting kubelet.",
		"Normal NodeHasSufficientMemory Node node1 status is now: NodeHasSufficientMemory",
		"Normal NodeHasNoDiskPressure Node node1 status is now: NodeHasNoDiskPressure",
		"Normal NodeHasSufficientPID Node node1 status is now: NodeHasSufficientPID"}) {
		t.Errorf("events %v", got)
	}
	if b.Node() == nil {
		t.Error("the Node that was made is not known")
	}
}

func TestBecomesReadyAndSaysSo(t *testing.T) {
	b := newBench(t, nil)
	b.runtime.set(noCNI, nil)
	b.start(t)
	b.look(t)
	b.drain()
	b.clock.Step(3 * time.Second)
	b.runtime.set("", nil)
	node := b.look(t)
	c := conditions.Node(&node.Status, v1.NodeReady)
	if c.Status != v1.ConditionTrue || c.Reason != "KubeletReady" || c.Message != "kubelet is posting ready status" || !c.LastTransitionTime.Time.Equal(b.clock.Now()) {
		t.Errorf("got %+v", c)
	}
	if got := b.drain(); !slices.Equal(got, []string{"Normal NodeReady Node node1 status is now: NodeReady"}) {
		t.Errorf("events %v", got)
	}
	// The runtime stops answering: half a minute is forgiven, as by the kubelet.
	b.runtime.set("", errors.New("connection refused"))
	b.clock.Step(29 * time.Second)
	if !isReady(b.look(t)) {
		t.Error("not ready after 29 s without a runtime")
	}
	b.clock.Step(2 * time.Second)
	if c := conditions.Node(&b.look(t).Status, v1.NodeReady); c.Status != v1.ConditionFalse || c.Message != "container runtime is down" {
		t.Errorf("after 31 s: %+v", c)
	}
	if got := b.drain(); !slices.Equal(got, []string{"Normal NodeNotReady Node node1 status is now: NodeNotReady"}) {
		t.Errorf("events %v", got)
	}
}

func TestSendsOnlyNews(t *testing.T) {
	b := newBench(t, nil)
	b.start(t)
	b.look(t)
	first := b.patches()
	for range 29 {
		b.clock.Step(10 * time.Second)
		b.look(t)
	}
	if b.patches() != first {
		t.Errorf("%d patches without news within five minutes", b.patches()-first)
	}
	b.clock.Step(10 * time.Second)
	node := b.look(t)
	if b.patches() != first+1 {
		t.Errorf("%d patches after five minutes, want 1", b.patches()-first)
	}
	c := conditions.Node(&node.Status, v1.NodeReady)
	if !c.LastHeartbeatTime.Time.Equal(b.clock.Now()) || c.LastTransitionTime.Time.Equal(b.clock.Now()) {
		t.Errorf("times of %+v", c)
	}
}

func TestOthersWordsInTheStatusStay(t *testing.T) {
	b := newBench(t, nil)
	b.start(t)
	node := b.look(t).DeepCopy()
	node.Status.Conditions = append(node.Status.Conditions, v1.NodeCondition{Type: "NetworkUnavailable", Status: v1.ConditionFalse})
	conditions.Node(&node.Status, v1.NodeReady).Status = v1.ConditionUnknown // the node lifecycle controller's
	if _, err := b.client.CoreV1().Nodes().UpdateStatus(t.Context(), node, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	b.set(node)
	b.drain()
	got := b.look(t)
	if conditions.Node(&got.Status, "NetworkUnavailable") == nil || !isReady(got) {
		t.Errorf("conditions %v", got.Status.Conditions)
	}
	if e := b.drain(); !slices.Equal(e, []string{"Normal NodeReady Node node1 status is now: NodeReady"}) {
		t.Errorf("events %v", e)
	}
}

func TestPressure(t *testing.T) {
	b := newBench(t, nil)
	b.start(t)
	b.look(t)
	b.drain()
	b.file(t, "/proc/meminfo", "MemTotal: 2097152 kB\nMemAvailable: 102399 kB\n")
	b.file(t, "/proc/loadavg", "0 0 0 1/32000 7\n")
	b.cfg.Pressure.DiskBytes, b.cfg.Pressure.DiskPercent = 1<<62, 100
	node := b.look(t)
	for kind, want := range map[v1.NodeConditionType]string{v1.NodeMemoryPressure: "kubelet has insufficient memory available",
		v1.NodeDiskPressure: "kubelet has disk pressure", v1.NodePIDPressure: "kubelet has insufficient PID available"} {
		if c := conditions.Node(&node.Status, kind); c.Status != v1.ConditionTrue || c.Message != want {
			t.Errorf("%+v", c)
		}
	}
	if got := strings.Join(b.drain(), "\n"); !strings.Contains(got, "NodeHasInsufficientMemory") || !strings.Contains(got, "NodeHasDiskPressure") || !strings.Contains(got, "NodeHasInsufficientPID") {
		t.Errorf("events %s", got)
	}
	b.file(t, "/proc/meminfo", "MemTotal: 2097152 kB\nMemAvailable: 1048576 kB\n")
	b.clock.Step(relief - time.Second)
	if conditions.Node(&b.look(t).Status, v1.NodeMemoryPressure).Status != v1.ConditionTrue {
		t.Error("relieved at once; it would flap")
	}
	b.clock.Step(2 * time.Second)
	if conditions.Node(&b.look(t).Status, v1.NodeMemoryPressure).Status != v1.ConditionFalse {
		t.Error("not relieved after five minutes")
	}
}

func TestTakesTheNodeThatIsThere(t *testing.T) {
	there := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node1", UID: "old", Labels: map[string]string{"mine": "yes", v1.LabelOSStable: "wrong"}},
		Spec:   v1.NodeSpec{PodCIDR: "10.244.1.0/24", Unschedulable: true},
		Status: v1.NodeStatus{NodeInfo: v1.NodeSystemInfo{BootID: "boot-0"}}}
	b := newBench(t, func(c *Config) { c.Taints = []v1.Taint{{Key: "t", Effect: v1.TaintEffectNoSchedule}} }, there)
	b.start(t)
	node := b.look(t)
	if node.Labels["mine"] != "yes" || node.Labels[v1.LabelOSStable] != "linux" || node.Spec.PodCIDR == "" || len(node.Spec.Taints) != 0 {
		t.Errorf("labels %v, spec %+v", node.Labels, node.Spec)
	}
	b.look(t)
	reboots := 0
	for _, e := range b.drain() {
		if e == "Warning Rebooted Node node1 has been rebooted, boot id: boot-1" {
			reboots++
		}
	}
	if reboots != 1 {
		t.Errorf("%d events of a reboot", reboots)
	}
	// Somebody uncordons it.
	free := node.DeepCopy()
	free.Spec.Unschedulable = false
	b.set(free)
	b.look(t)
	if got := b.drain(); !slices.Equal(got, []string{"Normal NodeSchedulable Node node1 status is now: NodeSchedulable"}) {
		t.Errorf("events %v", got)
	}
}

func TestRegistersUntilItSucceeds(t *testing.T) {
	b := newBench(t, nil)
	failures := 3
	b.client.PrependReactor("create", "nodes", func(clienttesting.Action) (bool, runtime.Object, error) {
		if failures > 0 {
			failures--
			return true, nil, apierrors.NewServiceUnavailable("starting")
		}
		return false, nil, nil
	})
	done := make(chan error, 1)
	go func() { done <- b.registerWithAPIServer(t.Context()) }()
	for _, pause := range []time.Duration{100, 200, 400} {
		waitFor(t, b.clock.HasWaiters)
		b.clock.Step(pause * time.Millisecond)
	}
	if err := <-done; err != nil || b.Node() == nil {
		t.Errorf("got %v", err)
	}
}

func TestComesBackAfterBeingDeleted(t *testing.T) {
	b := newBench(t, nil)
	b.start(t)
	b.look(t)
	if err := b.client.CoreV1().Nodes().Delete(t.Context(), "node1", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	b.lost()
	if _, err := b.tryUpdateNodeStatus(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.client.CoreV1().Nodes().Get(t.Context(), "node1", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Error("came back before whoever deleted it could see it gone")
	}
	b.clock.Step(10 * time.Second)
	if node := b.look(t); node.UID != "uid-2" {
		t.Errorf("UID %s", node.UID)
	}
}

func TestLease(t *testing.T) {
	b := newBench(t, nil)
	b.start(t)
	lease, err := b.renew(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if *lease.Spec.LeaseDurationSeconds != 40 || *lease.Spec.HolderIdentity != "node1" || lease.Namespace != "kube-node-lease" || lease.OwnerReferences[0].UID != "uid-1" {
		t.Errorf("got %+v", lease)
	}
	b.clock.Step(10 * time.Second)
	if lease, err = b.renew(t.Context(), lease); err != nil || !lease.Spec.RenewTime.Time.Equal(b.clock.Now()) {
		t.Errorf("renewed %v, %v", lease.Spec.RenewTime, err)
	}
	// A restarted agent takes the one that is there.
	if _, err := b.renew(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if err := b.client.CoordinationV1().Leases("kube-node-lease").Delete(t.Context(), "node1", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.renew(t.Context(), lease); err == nil {
		t.Error("a lease that is gone was renewed")
	}
	if _, err := b.renew(t.Context(), nil); err != nil {
		t.Errorf("and after that: %v", err)
	}
}

// With everything running for real: ready within moments of the network.
func TestRunIsReadyAtOnce(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Clock = nil })
	b.runtime.set(noCNI, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	waitFor(t, func() bool { return b.Node() != nil })
	time.Sleep(300 * time.Millisecond)
	b.runtime.set("", nil)
	start := time.Now()
	waitFor(t, func() bool {
		node, err := b.client.CoreV1().Nodes().Get(ctx, "node1", metav1.GetOptions{})
		return err == nil && isReady(node)
	})
	if took := time.Since(start); took > 500*time.Millisecond {
		t.Errorf("ready %v after the network was", took)
	}
	waitFor(t, func() bool {
		_, err := b.client.CoordinationV1().Leases("kube-node-lease").Get(ctx, "node1", metav1.GetOptions{})
		return err == nil
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for range 1000 {
		if done() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("waited five seconds in vain")
}

// A node on a slow machine holds its lease longer, and renews it more rarely.
func TestLeaseOfASlowNode(t *testing.T) {
	b := newBench(t, func(c *Config) { c.LeaseSeconds = 160 })
	b.start(t)
	lease, err := b.renew(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if *lease.Spec.LeaseDurationSeconds != 160 || b.leasePeriod() != 40*time.Second {
		t.Errorf("held for %d s, renewed every %s", *lease.Spec.LeaseDurationSeconds, b.leasePeriod())
	}
}
