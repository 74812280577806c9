package controlplane

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"noriter.dev/noriter/cluster/apiserver/apiservertest"
	"noriter.dev/noriter/cluster/component"
	"noriter.dev/noriter/cluster/controllers"
	"noriter.dev/noriter/cluster/scheduler"
)

// world is a control plane with two pretended nodes.
type world struct {
	t      *testing.T
	api    *apiservertest.Cluster
	client *kubernetes.Clientset
	logs   *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, logs: &lockedBuffer{}}
	slog.SetDefault(slog.New(slog.NewTextHandler(w.logs, nil)))
	t.Cleanup(func() {
		if t.Failed() {
			lines := strings.Split(w.logs.String(), "\n")
			t.Logf("the last of the log:\n%s", strings.Join(lines[max(0, len(lines)-60):], "\n"))
		}
	})
	w.api = apiservertest.StartForTest(t)
	w.api.Admin.QPS = -1
	client, err := kubernetes.NewForConfig(w.api.Admin)
	if err != nil {
		t.Fatal(err)
	}
	w.client = client
	return w
}

// kubeconfig is the file that a component is installed with, for this server.
func (w *world) kubeconfig(name string) string {
	w.t.Helper()
	path := filepath.Join(w.api.Dir, "etc/kubernetes", name)
	config, err := clientcmd.LoadFromFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, cluster := range config.Clusters {
		cluster.Server = w.api.URL()
	}
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// component runs until stop is called or the test ends.
func (w *world) component(name string, run func(context.Context) error) (stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				if err != nil {
					w.t.Errorf("%s ended with %v", name, err)
				}
			case <-time.After(20 * time.Second):
				buffer := make([]byte, 1<<20)
				w.t.Errorf("%s did not end in 20 s:\n%s", name, buffer[:runtime.Stack(buffer, true)])
			}
		})
	}
	w.t.Cleanup(stop)
	return stop
}

func (w *world) runControllers() (stop func()) {
	pki := filepath.Join(w.api.Dir, "etc/kubernetes/pki")
	return w.component("controllers", func(ctx context.Context) error {
		return controllers.Run(ctx, controllers.Options{
			Kubeconfig: w.kubeconfig("controller-manager.conf"), ClusterCIDR: "10.244.0.0/16", NodeCIDRMaskSize: 24, ServiceCIDR: "10.96.0.0/16",
			ServiceAccountKeyFile: filepath.Join(pki, "sa.key"), RootCAFile: filepath.Join(pki, "ca.crt"), Controllers: []string{"*"},
			LeaderElect: true, Lease: component.DefaultLeaseTimes, HealthAddress: "127.0.0.1:0", APITimeout: time.Minute,
			NodeMonitorGracePeriod: 50 * time.Second, NodeStartupGracePeriod: time.Minute, NodeMonitorPeriod: 5 * time.Second,
		})
	})
}

func (w *world) runScheduler() (stop func()) {
	return w.component("scheduler", func(ctx context.Context) error {
		return scheduler.Run(ctx, scheduler.Options{Kubeconfig: w.kubeconfig("scheduler.conf"), LeaderElect: true, Lease: component.DefaultLeaseTimes,
			HealthAddress: "127.0.0.1:0", SchedulerName: v1.DefaultSchedulerName, APITimeout: time.Minute})
	})
}

// eventually waits until check returns "".
func (w *world) eventually(check func(ctx context.Context) string) time.Duration {
	w.t.Helper()
	began, last := time.Now(), ""
	for time.Since(began) < 60*time.Second {
		if last = check(context.Background()); last == "" {
			return time.Since(began)
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatalf("not within 60 s: %s", last)
	return 0
}

// addNode registers a node that is ready, and says when it has its addresses.
func (w *world) addNode(name string) time.Duration {
	w.t.Helper()
	node := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1.LabelHostname: name}}}
	if _, err := w.client.CoreV1().Nodes().Create(context.Background(), node, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
	took := w.eventually(func(ctx context.Context) string {
		got, err := w.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err.Error()
		}
		if got.Spec.PodCIDR == "" {
			return "no podCIDR"
		}
		return ""
	})
	w.eventually(func(ctx context.Context) string {
		got, err := w.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err.Error()
		}
		got.Status.Capacity = v1.ResourceList{v1.ResourceCPU: resource.MustParse("4"), v1.ResourceMemory: resource.MustParse("8Gi"), v1.ResourcePods: resource.MustParse("110")}
		got.Status.Allocatable = got.Status.Capacity
		got.Status.Conditions = []v1.NodeCondition{{Type: v1.NodeReady, Status: v1.ConditionTrue, LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now()}}
		if _, err := w.client.CoreV1().Nodes().UpdateStatus(ctx, got, metav1.UpdateOptions{}); err != nil {
			return err.Error()
		}
		return ""
	})
	return took
}

// runPods pretends to be the agents: pods with a node run and are ready, and pods
// that are to end do.
func (w *world) runPods() {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for ; ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
			list, err := w.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
			if err != nil {
				continue
			}
			for i := range list.Items {
				w.runPod(ctx, &list.Items[i], i)
			}
		}
	})
	w.t.Cleanup(func() { cancel(); running.Wait() })
}

func (w *world) runPod(ctx context.Context, pod *v1.Pod, i int) {
	pods := w.client.CoreV1().Pods(pod.Namespace)
	switch {
	case pod.Spec.NodeName == "":
	case pod.DeletionTimestamp != nil:
		_ = pods.Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64)}) // tried again if it fails
	case pod.Status.Phase != v1.PodRunning:
		ip := fmt.Sprintf("10.244.%d.%d", 1+i/200, 1+i%200)
		pod.Status.Phase, pod.Status.PodIP, pod.Status.PodIPs = v1.PodRunning, ip, []v1.PodIP{{IP: ip}}
		pod.Status.Conditions = append(pod.Status.Conditions, v1.PodCondition{Type: v1.PodReady, Status: v1.ConditionTrue, LastTransitionTime: metav1.Now()})
		_, _ = pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{}) // tried again if it fails
	}
}

func template(image string) v1.PodTemplateSpec {
	return v1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}},
		Spec: v1.PodSpec{Containers: []v1.Container{{Name: "c", Image: image, Ports: []v1.ContainerPort{{Name: "http", ContainerPort: 80}}}}}}
}

func (w *world) deploy(replicas int32) {
	w.t.Helper()
	_, err := w.client.AppsV1().Deployments("default").Create(context.Background(), &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, Template: template("nginx:1")}}, metav1.CreateOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) rolledOut(replicas int32) time.Duration {
	w.t.Helper()
	return w.eventually(func(ctx context.Context) string {
		d, err := w.client.AppsV1().Deployments("default").Get(ctx, "web", metav1.GetOptions{})
		if err != nil {
			return err.Error()
		}
		if s := d.Status; s.ObservedGeneration != d.Generation || s.UpdatedReplicas != replicas || s.Replicas != replicas || s.AvailableReplicas != replicas {
			return fmt.Sprintf("status %+v", s)
		}
		return ""
	})
}

func TestStartIsQuickAndRestartsAreQuicker(t *testing.T) {
	w := start(t)
	began := time.Now()
	stop := w.runControllers()
	account := func(ctx context.Context) string {
		if _, err := w.client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{}); err != nil {
			return err.Error()
		}
		return ""
	}
	w.eventually(account)
	t.Logf("service account after %v", time.Since(began))
	for _, name := range []string{"control", "node1", "node2"} {
		t.Logf("%s has its addresses after %v", name, w.addNode(name))
	}
	stop()
	if err := w.client.CoreV1().ServiceAccounts("default").Delete(context.Background(), "default", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	w.runControllers()
	w.eventually(account)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("after a restart it took %v until the controllers worked", took)
	} else {
		t.Logf("after a restart %v", took)
	}
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	t.Logf("heap of API server, store and controllers together: %d MiB", memory.HeapAlloc>>20)
}

func TestFromDeploymentToEndpointsAndBack(t *testing.T) {
	w := start(t)
	w.runControllers()
	w.runScheduler()
	w.addNode("node1")
	w.addNode("node2")
	w.runPods()
	ctx := context.Background()

	_, err := w.client.CoreV1().Services("default").Create(ctx, &v1.Service{ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: v1.ServiceSpec{Selector: map[string]string{"app": "web"}, Ports: []v1.ServicePort{{Port: 80, TargetPort: intstr.FromString("http")}}}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	w.deploy(30)
	w.rolledOut(30)
	t.Logf("30 replicas after %v", time.Since(began))
	w.endpoints(30)

	began = time.Now()
	w.eventually(func(ctx context.Context) string {
		d, err := w.client.AppsV1().Deployments("default").Get(ctx, "web", metav1.GetOptions{})
		if err == nil {
			d.Spec.Template = template("nginx:2")
			_, err = w.client.AppsV1().Deployments("default").Update(ctx, d, metav1.UpdateOptions{})
		}
		if err != nil {
			return err.Error()
		}
		return ""
	})
	w.rolledOut(30)
	t.Logf("rolled over after %v", time.Since(began))

	began = time.Now()
	if err := w.client.AppsV1().Deployments("default").Delete(ctx, "web", metav1.DeleteOptions{PropagationPolicy: ptr.To(metav1.DeletePropagationBackground)}); err != nil {
		t.Fatal(err)
	}
	w.eventually(func(ctx context.Context) string {
		pods, err := w.client.CoreV1().Pods("default").List(ctx, metav1.ListOptions{})
		sets, err2 := w.client.AppsV1().ReplicaSets("default").List(ctx, metav1.ListOptions{})
		if err != nil || err2 != nil || len(pods.Items)+len(sets.Items) > 0 {
			return "pods or replica sets are left"
		}
		return ""
	})
	t.Logf("gone after %v", time.Since(began))
	w.endpoints(0)
}

func (w *world) endpoints(want int) {
	w.t.Helper()
	w.eventually(func(ctx context.Context) string {
		slices, err := w.client.DiscoveryV1().EndpointSlices("default").List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=web"})
		if err != nil {
			return err.Error()
		}
		listed := 0
		for _, s := range slices.Items {
			listed += len(s.Endpoints)
		}
		old, err := w.client.CoreV1().Endpoints("default").Get(ctx, "web", metav1.GetOptions{}) //nolint:staticcheck // people still ask for it
		if err != nil {
			return err.Error()
		}
		addresses := 0
		for _, s := range old.Subsets {
			addresses += len(s.Addresses)
		}
		if listed != want || addresses != want {
			return fmt.Sprintf("%d endpoints and %d addresses, want %d", listed, addresses, want)
		}
		return ""
	})
}

// mirrors expects an EndpointSlice for the addresses that somebody wrote by hand
// for a Service without a selector.
func (w *world) mirrors(namespace string) {
	w.t.Helper()
	ctx := context.Background()
	meta := metav1.ObjectMeta{Name: "outside"}
	ports := []v1.ServicePort{{Name: "db", Port: 5432}}
	if _, err := w.client.CoreV1().Services(namespace).Create(ctx, &v1.Service{ObjectMeta: meta, Spec: v1.ServiceSpec{Ports: ports}}, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
	//lint:ignore SA1019 people still write them, and that is what is mirrored
	byHand := &v1.Endpoints{ObjectMeta: meta, Subsets: []v1.EndpointSubset{{Addresses: []v1.EndpointAddress{{IP: "192.0.2.7"}},
		Ports: []v1.EndpointPort{{Name: "db", Port: 5432}}}}}
	if _, err := w.client.CoreV1().Endpoints(namespace).Create(ctx, byHand, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
	w.eventually(func(ctx context.Context) string {
		slices, err := w.client.DiscoveryV1().EndpointSlices(namespace).List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=outside"})
		if err != nil {
			return err.Error()
		}
		if len(slices.Items) != 1 || len(slices.Items[0].Endpoints) != 1 || slices.Items[0].Endpoints[0].Addresses[0] != "192.0.2.7" {
			return fmt.Sprintf("the Endpoints are mirrored as %+v", slices.Items)
		}
		return ""
	})
}

func TestDaemonSetsNamespacesAndTokens(t *testing.T) {
	w := start(t)
	w.runControllers()
	w.runScheduler()
	w.addNode("node1")
	w.addNode("node2")
	w.runPods()
	ctx := context.Background()
	if _, err := w.client.CoreV1().Namespaces().Create(ctx, &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "lab"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.eventually(func(ctx context.Context) string {
		if _, err := w.client.CoreV1().ConfigMaps("lab").Get(ctx, "kube-root-ca.crt", metav1.GetOptions{}); err != nil {
			return err.Error()
		}
		if _, err := w.client.CoreV1().ServiceAccounts("lab").Get(ctx, "default", metav1.GetOptions{}); err != nil {
			return err.Error()
		}
		return ""
	})
	if _, err := w.client.CoreV1().Secrets("lab").Create(ctx, &v1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "token", Annotations: map[string]string{v1.ServiceAccountNameKey: "default"}},
		Type: v1.SecretTypeServiceAccountToken}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.client.CoreV1().ResourceQuotas("lab").Create(ctx, &v1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "quota"},
		Spec: v1.ResourceQuotaSpec{Hard: v1.ResourceList{v1.ResourcePods: resource.MustParse("10")}}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	// Claims and volumes have a finalizer; somebody must take it away.
	gigabyte := v1.ResourceList{v1.ResourceStorage: resource.MustParse("1Gi")}
	if _, err := w.client.CoreV1().PersistentVolumeClaims("lab").Create(ctx, &v1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data"},
		Spec: v1.PersistentVolumeClaimSpec{AccessModes: []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce},
			Resources: v1.VolumeResourceRequirements{Requests: gigabyte}}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.client.CoreV1().PersistentVolumes().Create(ctx, &v1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "disk"},
		Spec: v1.PersistentVolumeSpec{Capacity: gigabyte, AccessModes: []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce},
			PersistentVolumeSource: v1.PersistentVolumeSource{HostPath: &v1.HostPathVolumeSource{Path: "/srv"}}}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.client.StorageV1().VolumeAttributesClasses().Create(ctx, &storagev1.VolumeAttributesClass{ObjectMeta: metav1.ObjectMeta{Name: "fast"},
		DriverName: "disks.example", Parameters: map[string]string{"iops": "1"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.mirrors("lab")
	if _, err := w.client.AppsV1().DaemonSets("lab").Create(ctx, &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: "agent"},
		Spec: appsv1.DaemonSetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, Template: template("nginx:1")}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.eventually(func(ctx context.Context) string {
		ds, err := w.client.AppsV1().DaemonSets("lab").Get(ctx, "agent", metav1.GetOptions{})
		if err != nil {
			return err.Error()
		}
		quota, err := w.client.CoreV1().ResourceQuotas("lab").Get(ctx, "quota", metav1.GetOptions{})
		if err != nil {
			return err.Error()
		}
		secret, err := w.client.CoreV1().Secrets("lab").Get(ctx, "token", metav1.GetOptions{})
		if err != nil {
			return err.Error()
		}
		if used := quota.Status.Used[v1.ResourcePods]; ds.Status.NumberAvailable != 2 || used.Value() != 2 || len(secret.Data["token"]) == 0 {
			return fmt.Sprintf("%d of 2 daemons, %s of 2 pods counted, token of %d bytes", ds.Status.NumberAvailable, used.String(), len(secret.Data["token"]))
		}
		return ""
	})
	if err := w.client.CoreV1().Namespaces().Delete(ctx, "lab", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := w.client.CoreV1().PersistentVolumes().Delete(ctx, "disk", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := w.client.StorageV1().VolumeAttributesClasses().Delete(ctx, "fast", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	took := w.eventually(func(ctx context.Context) string {
		if _, err := w.client.StorageV1().VolumeAttributesClasses().Get(ctx, "fast", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return fmt.Sprintf("the volume attributes class is still there (%v)", err)
		}
		if _, err := w.client.CoreV1().Namespaces().Get(ctx, "lab", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return fmt.Sprintf("the namespace is still there (%v)", err)
		}
		if _, err := w.client.CoreV1().PersistentVolumes().Get(ctx, "disk", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return fmt.Sprintf("the volume is still there (%v)", err)
		}
		return ""
	})
	t.Logf("namespace gone after %v", took)
	if logs := w.logs.String(); strings.Contains(logs, "forbidden") {
		t.Error("a component was refused something; see the log")
	}
	klog.Flush()
}
