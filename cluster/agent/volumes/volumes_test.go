package volumes

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	stdruntime "runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
)

// fakeMounter remembers mounts; a test needs no root with it.
type fakeMounter struct {
	mu     sync.Mutex
	points []string
	data   map[string]string
}

func (f *fakeMounter) Mount(_, target, _ string, _ uintptr, data string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.data == nil {
		f.data = map[string]string{}
	}
	f.points, f.data[target] = append(f.points, target), data
	return nil
}

func (f *fakeMounter) Unmount(target string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.Index(f.points, target)
	if i < 0 {
		return errors.New("not mounted: " + target)
	}
	f.points = slices.Delete(f.points, i, i+1)
	return nil
}

func (f *fakeMounter) Mounts(dir string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, p := range f.points {
		if p == dir || strings.HasPrefix(p, dir+"/") {
			out = append(out, p)
		}
	}
	return out, nil
}

type bench struct {
	*Manager
	client  *fake.Clientset
	clock   *clocktesting.FakeClock
	mounter *fakeMounter
	root    string
	chowned map[string]int
}

func newBench(t *testing.T, objects ...runtime.Object) *bench {
	t.Helper()
	b := &bench{client: fake.NewClientset(objects...), clock: clocktesting.NewFakeClock(time.Unix(1_800_000_000, 0)),
		mounter: &fakeMounter{}, root: t.TempDir(), chowned: map[string]int{}}
	b.Manager = New(Config{Client: b.client, RootDir: b.root, Clock: b.clock, Mounter: b.mounter,
		Chown: func(path string, _, gid int) error { b.chowned[path] = gid; return nil },
		Node: func() *v1.Node {
			return &v1.Node{
				ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{v1.LabelHostname: "node1"}},
				Status:     v1.NodeStatus{Allocatable: v1.ResourceList{v1.ResourceMemory: resource.MustParse("1Gi"), v1.ResourceCPU: resource.MustParse("2")}},
			}
		}})
	return b
}

func pod(volumes ...v1.Volume) *v1.Pod {
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web", UID: "uid-1", Labels: map[string]string{"app": "web"}},
		Spec:       v1.PodSpec{ServiceAccountName: "default", Volumes: volumes, Containers: []v1.Container{{Name: "main"}}},
	}
}

func volume(name string, src v1.VolumeSource) v1.Volume {
	return v1.Volume{Name: name, VolumeSource: src}
}

func configMap(name string, data map[string]string) *v1.ConfigMap {
	return &v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Data: data}
}

func cmSource(name string, optional bool, items ...v1.KeyToPath) v1.VolumeSource {
	return v1.VolumeSource{ConfigMap: &v1.ConfigMapVolumeSource{LocalObjectReference: v1.LocalObjectReference{Name: name},
		Items: items, DefaultMode: ptr.To[int32](0o644), Optional: ptr.To(optional)}}
}

func mustSetUp(t *testing.T, b *bench, p *v1.Pod) map[string]Mounted {
	t.Helper()
	got, err := b.SetUp(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestConfigMapIsWrittenAndFollows(t *testing.T) {
	b := newBench(t, configMap("settings", map[string]string{"color": "blue", "size": "1"}))
	p := pod(volume("cfg", cmSource("settings", false)))
	got := mustSetUp(t, b, p)["cfg"]
	if want := filepath.Join(b.root, "pods/uid-1/volumes/kubernetes.io~configmap/cfg"); got.Path != want || !got.ReadOnly {
		t.Errorf("mounted %+v, want read-only at %s", got, want)
	}
	if files := visible(t, got.Path); files["color"] != "blue" || len(files) != 2 {
		t.Errorf("wrote %v", files)
	}
	update := configMap("settings", map[string]string{"color": "red"})
	if _, err := b.client.CoreV1().ConfigMaps("default").Update(t.Context(), update, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	mustSetUp(t, b, p)
	if visible(t, got.Path)["color"] != "blue" {
		t.Error("a sync within the period read the ConfigMap again; it should be cheap")
	}
	b.clock.Step(defaultRefreshPeriod)
	mustSetUp(t, b, p)
	if files := visible(t, got.Path); files["color"] != "red" || len(files) != 1 {
		t.Errorf("after the period it shows %v", files)
	}
}

func TestErrorsHaveTheWordsOfFailedMount(t *testing.T) {
	claim := func(name string) v1.VolumeSource {
		return v1.VolumeSource{PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{ClaimName: name}}
	}
	pending := &v1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "pending"}, Status: v1.PersistentVolumeClaimStatus{Phase: v1.ClaimPending}}
	for name, c := range map[string]struct {
		src  v1.VolumeSource
		want string
	}{
		"no ConfigMap": {cmSource("gone", false), `MountVolume.SetUp failed for volume "v" : configmap "gone" not found`},
		"no key":       {cmSource("settings", false, v1.KeyToPath{Key: "nope", Path: "x"}), `MountVolume.SetUp failed for volume "v" : configmap references non-existent config key: nope`},
		"no Secret":    {v1.VolumeSource{Secret: &v1.SecretVolumeSource{SecretName: "gone"}}, `MountVolume.SetUp failed for volume "v" : secret "gone" not found`},
		"no directory": {v1.VolumeSource{HostPath: &v1.HostPathVolumeSource{Path: "/nowhere/at/all", Type: ptr.To(v1.HostPathDirectory)}},
			`MountVolume.SetUp failed for volume "v" : hostPath type check failed, /nowhere/at/all is not a directory, unable to determine its type: path "/nowhere/at/all" does not exist`},
		"unbound": {claim("pending"), `Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to process volumes=[v]: error processing PVC default/pending: PVC is not bound`},
		"no claim": {claim("gone"), `Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to process volumes=[v]: ` +
			`error processing PVC default/gone: failed to fetch PVC from API server: persistentvolumeclaims "gone" not found`},
		"a foreign kind": {v1.VolumeSource{NFS: &v1.NFSVolumeSource{Server: "s", Path: "/"}},
			`MountVolume.FindPluginBySpec failed for volume "v" : no volume plugin matched: nfs volumes are not supported on this node`},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, configMap("settings", nil), pending)
			_, err := b.SetUp(t.Context(), pod(volume("v", c.src), volume("ok", v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{}})))
			all, joined := err.(interface{ Unwrap() []error })
			if !joined || len(all.Unwrap()) != 1 || all.Unwrap()[0].Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if _, err := os.Stat(filepath.Join(b.root, "pods/uid-1/volumes/kubernetes.io~empty-dir/ok")); err != nil {
				t.Errorf("the other volume was not set up: %v", err)
			}
		})
	}
}

func TestOptionalSourcesMayBeMissingAndMayComeLater(t *testing.T) {
	b := newBench(t)
	p := pod(volume("cfg", cmSource("later", true)))
	dir := mustSetUp(t, b, p)["cfg"].Path
	if files := visible(t, dir); len(files) != 0 {
		t.Errorf("shows %v", files)
	}
	if _, err := b.client.CoreV1().ConfigMaps("default").Create(t.Context(), configMap("later", map[string]string{"k": "v"}), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := b.Refresh(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if visible(t, dir)["k"] != "v" {
		t.Error("it came and isn't shown")
	}
}

func TestItemsPathsAndModes(t *testing.T) {
	b := newBench(t, &v1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "s"}, Data: map[string][]byte{"k": []byte("v"), "other": nil}})
	p := pod(volume("v", v1.VolumeSource{Secret: &v1.SecretVolumeSource{SecretName: "s", DefaultMode: ptr.To[int32](0o640),
		Items: []v1.KeyToPath{{Key: "k", Path: "dir/name", Mode: ptr.To[int32](0o400)}}}}))
	got := mustSetUp(t, b, p)["v"]
	info, err := os.Stat(filepath.Join(got.Path, "dir/name"))
	if err != nil || info.Mode().Perm() != 0o400 {
		t.Errorf("got %v, %v; want mode 400", info, err)
	}
	if len(visible(t, got.Path)) != 1 {
		t.Errorf("shows %v, want one file", visible(t, got.Path))
	}
	if data := b.mounter.data[got.Path]; !strings.Contains(data, "size=1073741824") {
		t.Errorf("a Secret must lie in memory, bounded by what the node allots; mounted with %q", data)
	}
}

func TestDownwardAPIFollowsLabels(t *testing.T) {
	b := newBench(t)
	p := pod(volume("info", v1.VolumeSource{DownwardAPI: &v1.DownwardAPIVolumeSource{Items: []v1.DownwardAPIVolumeFile{
		{Path: "labels", FieldRef: &v1.ObjectFieldSelector{FieldPath: "metadata.labels"}},
		{Path: "mem", ResourceFieldRef: &v1.ResourceFieldSelector{ContainerName: "main", Resource: "limits.memory", Divisor: resource.MustParse("1Mi")}},
	}}}))
	dir := mustSetUp(t, b, p)["info"].Path
	if files := visible(t, dir); files["labels"] != `app="web"` || files["mem"] != "1024" {
		t.Errorf("shows %v", files)
	}
	p = p.DeepCopy()
	p.Labels["app.tier"] = "front" // by whole lines this would come first
	mustSetUp(t, b, p)
	if got := visible(t, dir)["labels"]; got != "app=\"web\"\napp.tier=\"front\"" {
		t.Errorf("after a change the labels are %q", got)
	}
}

// tokenServer hands out numbered tokens of the length asked for.
func tokenServer(b *bench) *int {
	issued := 0
	b.client.PrependReactor("create", "serviceaccounts", func(a clienttesting.Action) (bool, runtime.Object, error) {
		ask := a.(clienttesting.CreateAction).GetObject().(*authenticationv1.TokenRequest)
		if ask.Spec.BoundObjectRef == nil || ask.Spec.BoundObjectRef.UID != "uid-1" {
			return true, nil, errors.New("the token must be bound to the pod")
		}
		if issued < 0 {
			return true, nil, apierrors.NewServiceUnavailable("down")
		}
		issued++
		out := ask.DeepCopy()
		out.Status.Token = "token-" + string(rune('0'+issued))
		out.Status.ExpirationTimestamp = metav1.NewTime(b.clock.Now().Add(time.Duration(*ask.Spec.ExpirationSeconds) * time.Second))
		return true, out, nil
	})
	return &issued
}

func tokenPod() *v1.Pod {
	return pod(volume("kube-api-access", v1.VolumeSource{Projected: &v1.ProjectedVolumeSource{DefaultMode: ptr.To[int32](0o644), Sources: []v1.VolumeProjection{
		{ServiceAccountToken: &v1.ServiceAccountTokenProjection{Path: "token", ExpirationSeconds: ptr.To[int64](3607)}},
		{ConfigMap: &v1.ConfigMapProjection{LocalObjectReference: v1.LocalObjectReference{Name: "kube-root-ca.crt"}, Items: []v1.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}}}},
		{DownwardAPI: &v1.DownwardAPIProjection{Items: []v1.DownwardAPIVolumeFile{{Path: "namespace", FieldRef: &v1.ObjectFieldSelector{FieldPath: "metadata.namespace"}}}}},
	}}}))
}

func TestTokenIsReplacedAtEightyPercentOfItsLife(t *testing.T) {
	b := newBench(t, configMap("kube-root-ca.crt", map[string]string{"ca.crt": "CA"}))
	issued := tokenServer(b)
	p := tokenPod()
	dir := mustSetUp(t, b, p)["kube-api-access"].Path
	if files := visible(t, dir); files["token"] != "token-1" || files["ca.crt"] != "CA" || files["namespace"] != "default" {
		t.Fatalf("shows %v", files)
	}
	b.clock.Step(2885 * time.Second) // 80 % of 3607 s is 2885.6 s
	if err := b.Refresh(t.Context(), p); err != nil || *issued != 1 {
		t.Errorf("%d tokens issued before 80 %% of the first one's life (%v)", *issued, err)
	}
	b.clock.Step(time.Second)
	if err := b.Refresh(t.Context(), p); err != nil || visible(t, dir)["token"] != "token-2" {
		t.Errorf("after 80 %% the file holds %q (%v)", visible(t, dir)["token"], err)
	}
	// Without an API server the old one serves as long as it is valid.
	*issued = -1
	b.clock.Step(3000 * time.Second)
	if err := b.Refresh(t.Context(), p); err != nil {
		t.Errorf("a valid token is there, yet: %v", err)
	}
	b.clock.Step(700 * time.Second)
	if err := b.Refresh(t.Context(), p); err == nil || !strings.Contains(err.Error(), "expired and refresh failed") {
		t.Errorf("an expired token gave %v", err)
	}
	if visible(t, dir)["ca.crt"] != "CA" {
		t.Error("a failed refresh took away what was there")
	}
}

// The authorizer may be a little behind the pod's binding: that is no failure of the volume.
func TestRefusalOfAFirstTokenIsTriedAgain(t *testing.T) {
	for _, c := range []struct {
		name     string
		refusals int
		want     string
	}{
		{"for a moment", 3, ""},
		{"for good", 1000, "failed to fetch token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, configMap("kube-root-ca.crt", map[string]string{"ca.crt": "CA"}))
			tokenServer(b)
			began, asked := b.clock.Now(), 0
			b.client.PrependReactor("create", "serviceaccounts", func(clienttesting.Action) (bool, runtime.Object, error) {
				asked++
				return asked <= c.refusals, nil, apierrors.NewForbidden(v1.Resource("serviceaccounts"), "default", errors.New("no relationship found"))
			})
			done := make(chan error, 1)
			go func() {
				_, err := b.SetUp(t.Context(), tokenPod())
				done <- err
			}()
			err := stepUntil(b.clock, done)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("after %d attempts: %v", asked, err)
			}
			if took := b.clock.Since(began); asked < 4 || took > time.Second {
				t.Errorf("asked %d times within %s", asked, took)
			}
		})
	}
}

// stepUntil lets the fake time pass, as long as somebody waits for it, until there is an
// answer.
func stepUntil[T any](c *clocktesting.FakeClock, done <-chan T) T {
	for {
		select {
		case got := <-done:
			return got
		default:
			if c.HasWaiters() {
				c.Step(10 * time.Millisecond)
			} else {
				stdruntime.Gosched()
			}
		}
	}
}

func TestTokenModeFollowsTheUser(t *testing.T) {
	b := newBench(t, configMap("kube-root-ca.crt", map[string]string{"ca.crt": "CA"}))
	tokenServer(b)
	p := tokenPod()
	p.Spec.SecurityContext = &v1.PodSecurityContext{FSGroup: ptr.To[int64](2000)}
	dir := mustSetUp(t, b, p)["kube-api-access"].Path
	info, err := os.Stat(filepath.Join(dir, "token"))
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("got %v, %v; want 640", info.Mode(), err)
	}
	if info, _ := os.Stat(filepath.Join(dir, "ca.crt")); info.Mode().Perm() != 0o644 {
		t.Errorf("ca.crt has %v, want 644", info.Mode())
	}
	if !strings.Contains(b.mounter.data[dir], "gid=2000") {
		t.Errorf("the tmpfs isn't the group's: %q", b.mounter.data[dir])
	}
}

func TestEmptyDir(t *testing.T) {
	b := newBench(t)
	p := pod(volume("disk", v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{}}),
		volume("mem", v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{Medium: v1.StorageMediumMemory, SizeLimit: ptr.To(resource.MustParse("64Mi"))}}))
	p.Spec.SecurityContext = &v1.PodSecurityContext{FSGroup: ptr.To[int64](2000)}
	got := mustSetUp(t, b, p)
	info, err := os.Stat(got["disk"].Path)
	if err != nil || info.Mode().Perm() != 0o777 || info.Mode()&os.ModeSetgid == 0 {
		t.Errorf("got %v, %v; want a directory for all, with the group inherited", info.Mode(), err)
	}
	if data := b.mounter.data[got["mem"].Path]; !strings.Contains(data, "size=67108864") {
		t.Errorf("tmpfs mounted with %q, want its size limit", data)
	}
	// What the pod did with it is left alone, also by an agent that was restarted.
	if err := os.Chmod(got["disk"].Path, 0o700); err != nil {
		t.Fatal(err)
	}
	b.Manager = New(b.cfg)
	mustSetUp(t, b, p)
	if info, _ := os.Stat(got["disk"].Path); info.Mode().Perm() != 0o700 {
		t.Errorf("a restart reset the mode to %v", info.Mode())
	}
	if len(b.mounter.points) != 1 {
		t.Errorf("a restart mounted again: %v", b.mounter.points)
	}
}

func TestClaimLeadsToLocalVolume(t *testing.T) {
	dir := t.TempDir()
	pvc := &v1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "data", UID: "claim-1"},
		Spec: v1.PersistentVolumeClaimSpec{VolumeName: "pv1"}, Status: v1.PersistentVolumeClaimStatus{Phase: v1.ClaimBound}}
	pv := &v1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv1"}, Spec: v1.PersistentVolumeSpec{
		ClaimRef:               &v1.ObjectReference{UID: "claim-1"},
		PersistentVolumeSource: v1.PersistentVolumeSource{Local: &v1.LocalVolumeSource{Path: dir}},
		NodeAffinity: &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
			MatchExpressions: []v1.NodeSelectorRequirement{{Key: v1.LabelHostname, Operator: v1.NodeSelectorOpIn, Values: []string{"node1"}}}}}}},
	}}
	p := pod(volume("data", v1.VolumeSource{PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{ClaimName: "data", ReadOnly: true}}))
	if got := mustSetUp(t, newBench(t, pvc, pv), p)["data"]; got.Path != dir || !got.ReadOnly {
		t.Errorf("got %+v", got)
	}
	elsewhere := pv.DeepCopy()
	elsewhere.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0].Values = []string{"node2"}
	_, err := newBench(t, pvc, elsewhere).SetUp(t.Context(), p)
	if err == nil || !strings.HasPrefix(err.Error(), `MountVolume.NodeAffinity check failed for volume "pv1" : `) {
		t.Errorf("a volume of another node gave %v", err)
	}
}

func TestTearDownRemovesThePodAndNothingElse(t *testing.T) {
	host := t.TempDir()
	if err := os.WriteFile(filepath.Join(host, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, configMap("settings", map[string]string{"a": "b"}))
	p := pod(volume("cfg", cmSource("settings", false)),
		volume("host", v1.VolumeSource{HostPath: &v1.HostPathVolumeSource{Path: host}}),
		volume("mem", v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{Medium: v1.StorageMediumMemory}}))
	mustSetUp(t, b, p)
	restarted := New(b.cfg)
	if err := restarted.TearDown(t.Context(), "uid-1"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(b.root, "pods/uid-1")); !os.IsNotExist(err) {
		t.Errorf("the pod's directory is still there: %v", err)
	}
	if len(b.mounter.points) != 0 {
		t.Errorf("still mounted: %v", b.mounter.points)
	}
	if _, err := os.Stat(filepath.Join(host, "precious")); err != nil {
		t.Errorf("a file of the host is gone: %v", err)
	}
	if err := restarted.TearDown(t.Context(), "uid-1"); err != nil {
		t.Errorf("a second time: %v", err)
	}
	for _, bad := range []string{"", "..", "../..", "a/b"} {
		if restarted.TearDown(t.Context(), "") == nil {
			t.Errorf("UID %q was taken", bad)
		}
	}
}

// A volume that can't be unmounted keeps everything in place.
type stuckMounter struct{ fakeMounter }

func (*stuckMounter) Unmount(string) error { return errors.New("busy") }

func TestTearDownRemovesNothingWhileMounted(t *testing.T) {
	b := newBench(t)
	stuck := &stuckMounter{}
	b.cfg.Mounter = stuck
	b.Manager = New(b.cfg)
	got := mustSetUp(t, b, pod(volume("mem", v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{Medium: v1.StorageMediumMemory}})))
	if err := b.TearDown(t.Context(), "uid-1"); err == nil {
		t.Fatal("no error")
	}
	if _, err := os.Stat(got["mem"].Path); err != nil {
		t.Errorf("removed what is mounted: %v", err)
	}
}

// Sixty pods that start together cost a few requests, and each sees what was
// written before it asked.
func TestObjectsShareRequestsButNeverServeOldOnes(t *testing.T) {
	release := make(chan struct{})
	var mu sync.Mutex
	calls, value := 0, "old"
	o := &Objects{flights: map[string]*flight{}}
	read := func(context.Context) (any, error) {
		mu.Lock()
		calls++
		v := value
		mu.Unlock()
		<-release
		return v, nil
	}
	ask := func(out *any) func() {
		return func() { *out, _ = o.get(t.Context(), "k", read) }
	}
	var wg sync.WaitGroup
	var first any
	wg.Go(ask(&first))
	wait(t, func() bool { mu.Lock(); defer mu.Unlock(); return calls == 1 })
	mu.Lock()
	value = "new"
	mu.Unlock()
	later := make([]any, 60)
	for i := range later {
		wg.Go(ask(&later[i]))
	}
	time.Sleep(20 * time.Millisecond)
	close(release)
	wg.Wait()
	if first != "old" {
		t.Errorf("the first got %v", first)
	}
	for i, v := range later {
		if v != "new" {
			t.Errorf("reader %d asked after the change and got %v", i, v)
		}
	}
	if calls > 4 {
		t.Errorf("%d requests for 61 readers", calls)
	}
}

func wait(t *testing.T, done func() bool) {
	t.Helper()
	for range 500 {
		if done() {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatal("waited a second in vain")
}

func TestRunRefreshes(t *testing.T) {
	b := newBench(t, configMap("settings", map[string]string{"a": "1"}))
	dir := mustSetUp(t, b, pod(volume("cfg", cmSource("settings", false))))["cfg"].Path
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { b.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	if _, err := b.client.CoreV1().ConfigMaps("default").Update(ctx, configMap("settings", map[string]string{"a": "2"}), metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	wait(t, b.clock.HasWaiters)
	b.clock.Step(defaultRefreshPeriod)
	wait(t, func() bool { return visible(t, dir)["a"] == "2" })
}

func TestNestedMountPointsAreMade(t *testing.T) {
	b := newBench(t, configMap("settings", map[string]string{"a": "1"}))
	p := pod(volume("cfg", cmSource("settings", false)), volume("tmp", v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{}}))
	p.Spec.Containers[0].VolumeMounts = []v1.VolumeMount{
		{Name: "cfg", MountPath: "/etc/app"}, {Name: "tmp", MountPath: "/etc/app/cache"}, {Name: "tmp", MountPath: "/etc/app/cache/deep"}, {Name: "tmp", MountPath: "/etc/application"}}
	dir := mustSetUp(t, b, p)["cfg"].Path
	if info, err := os.Stat(filepath.Join(dir, "cache")); err != nil || !info.IsDir() {
		t.Errorf("no mount point: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "cache/deep")); err == nil {
		t.Error("made one that lies in another volume")
	}
}
