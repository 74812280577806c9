// Package fakeapi is an API server in memory for unit tests of control loops.
//
// client-go's fake client stores what it is given. Loops lean on more than that, so
// here names are generated, UIDs and resource versions are handed out, an update of
// something read too early conflicts, spec and status are written apart, a pod with
// a node ends gracefully, and binding works. A test can watch every write.
package fakeapi

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"
)

// API is the store with its clients.
type API struct {
	Client  *fake.Clientset
	Factory informers.SharedInformerFactory

	// Graceful makes the deletion of a pod that has a node wait for the node, as it
	// really does: the pod is only marked, and RemovePod ends it.
	Graceful bool

	Store   clienttesting.ObjectTracker
	onWrite func(verb, resource string) // under the client's lock
	mu      sync.Mutex
	version int
	names   int
}

// New starts with the given objects.
func New(t testing.TB, objects ...runtime.Object) *API {
	t.Helper()
	codecs := serializer.NewCodecFactory(scheme.Scheme)
	a := &API{Client: &fake.Clientset{}}
	a.Store = tracker{clienttesting.NewObjectTracker(scheme.Scheme, codecs.UniversalDecoder()), a}
	a.Client.AddReactor("*", "*", a.react)
	a.Client.AddWatchReactor("*", func(action clienttesting.Action) (bool, watch.Interface, error) {
		options := metav1.ListOptions{}
		if w, ok := action.(clienttesting.WatchActionImpl); ok {
			options = w.ListOptions
		}
		w, err := a.Store.Watch(action.GetResource(), action.GetNamespace(), options)
		return true, w, err
	})
	for _, object := range objects {
		if m, ok := object.(metav1.Object); ok {
			a.complete(m)
		}
		if err := a.Store.Add(object); err != nil {
			t.Fatalf("adding %T: %v", object, err)
		}
	}
	a.Factory = informers.NewSharedInformerFactory(a.Client, 0)
	return a
}

// Start runs the informers and waits until they hold what is stored. They end with
// the test.
func (a *API) Start(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	a.Factory.Start(ctx.Done())
	t.Cleanup(func() { cancel(); a.Factory.Shutdown() })
	for kind, synced := range a.Factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			t.Fatalf("the cache of %v was not filled", kind)
		}
	}
}

// Run starts the informers and has the functions called, which work until their ctx ends:
// the loops under test, and what pretends to be the rest of a cluster. They end with the
// test.
func (a *API) Run(t testing.TB, runs ...func(ctx context.Context)) {
	t.Helper()
	a.Start(t)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range runs {
		running.Go(func() { run(ctx) })
	}
	t.Cleanup(func() { cancel(); running.Wait() })
}

// Main runs a package's tests without what the loops log: the decisions of hundreds of
// objects would hide what fails.
func Main(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	os.Exit(m.Run())
}

// Eventually waits until check returns "" and fails with what it returned last.
func Eventually(t testing.TB, check func() string) {
	t.Helper()
	last := ""
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if last = check(); last == "" {
			return
		}
	}
	t.Fatalf("not within 20 s: %s", last)
}

// RemovePod ends a pod as its node would.
func (a *API) RemovePod(namespace, name string) error {
	return a.Client.CoreV1().Pods(namespace).Delete(context.Background(), name, metav1.DeleteOptions{GracePeriodSeconds: new(int64)})
}

// OnWrite has f called after every write from now on, while no other can happen.
// It must read through Store and not through the client.
func (a *API) OnWrite(f func(verb, resource string)) {
	a.Client.Lock()
	defer a.Client.Unlock()
	a.onWrite = f
}

// react handles one request. client-go calls it under a lock of its own.
func (a *API) react(action clienttesting.Action) (bool, runtime.Object, error) {
	result, err := a.handle(action)
	if verb := action.GetVerb(); err == nil && a.onWrite != nil && verb != "get" && verb != "list" {
		a.onWrite(verb, action.GetResource().Resource)
	}
	return true, result, err
}

func (a *API) handle(action clienttesting.Action) (runtime.Object, error) {
	switch action := action.(type) {
	case clienttesting.CreateActionImpl:
		if action.GetSubresource() == "binding" {
			return nil, a.bind(action)
		}
	case clienttesting.UpdateActionImpl:
		if err := a.prepareUpdate(action); err != nil {
			return nil, err
		}
	case clienttesting.DeleteActionImpl:
		if done, err := a.markPod(action); done || err != nil {
			return nil, err
		}
	}
	_, object, err := clienttesting.ObjectReaction(a.Store)(action)
	return object, err
}

func (a *API) bind(action clienttesting.CreateActionImpl) error {
	binding, ok := action.Object.(*v1.Binding)
	if !ok {
		return fmt.Errorf("%T is no binding", action.Object)
	}
	stored, err := a.Store.Get(action.GetResource(), action.Namespace, binding.Name)
	if err != nil {
		return err
	}
	pod := stored.(*v1.Pod).DeepCopy()
	if pod.Spec.NodeName != "" {
		return apierrors.NewConflict(v1.Resource("pods"), pod.Name, fmt.Errorf("pod %s is already assigned to node %q", pod.Name, pod.Spec.NodeName))
	}
	pod.Spec.NodeName = binding.Target.Name
	return a.Store.Update(action.GetResource(), pod, action.Namespace)
}

// prepareUpdate refuses stale objects and keeps status and spec apart.
func (a *API) prepareUpdate(action clienttesting.UpdateActionImpl) error {
	changed := action.Object.(metav1.Object)
	stored, err := a.Store.Get(action.GetResource(), action.Namespace, changed.GetName())
	if err != nil {
		return err
	}
	current := stored.(metav1.Object)
	if v := changed.GetResourceVersion(); v != "" && v != current.GetResourceVersion() {
		return apierrors.NewConflict(action.GetResource().GroupResource(), changed.GetName(), fmt.Errorf("read at version %s, now %s", v, current.GetResourceVersion()))
	}
	field := "Status" // what this request may not change
	if action.GetSubresource() == "status" {
		field = "Spec"
	}
	into, from := reflect.ValueOf(changed).Elem().FieldByName(field), reflect.ValueOf(current).Elem().FieldByName(field)
	if into.IsValid() && from.IsValid() {
		into.Set(from)
	}
	changed.SetUID(current.GetUID())
	changed.SetCreationTimestamp(current.GetCreationTimestamp())
	changed.SetDeletionTimestamp(current.GetDeletionTimestamp())
	return nil
}

// markPod handles deletions of pods: preconditions, and the grace period.
func (a *API) markPod(action clienttesting.DeleteActionImpl) (bool, error) {
	stored, err := a.Store.Get(action.GetResource(), action.Namespace, action.Name)
	pod, ok := stored.(*v1.Pod)
	if err != nil || !ok {
		return false, err
	}
	if p := action.DeleteOptions.Preconditions; p != nil && p.UID != nil && *p.UID != pod.UID {
		return false, apierrors.NewConflict(v1.Resource("pods"), pod.Name, fmt.Errorf("UID is %s", pod.UID))
	}
	grace := action.DeleteOptions.GracePeriodSeconds
	if !a.Graceful || pod.Spec.NodeName == "" || grace != nil && *grace == 0 {
		return false, nil
	}
	if pod.DeletionTimestamp != nil {
		return true, nil
	}
	pod = pod.DeepCopy()
	pod.DeletionTimestamp = &metav1.Time{Time: time.Now().Add(30 * time.Second)}
	return true, a.Store.Update(action.GetResource(), pod, action.Namespace)
}

// complete does what the API server adds to a new object.
func (a *API) complete(m metav1.Object) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.names++
	if m.GetName() == "" {
		m.SetName(fmt.Sprintf("%s%05d", m.GetGenerateName(), a.names))
	}
	if m.GetUID() == "" {
		m.SetUID(types.UID(fmt.Sprintf("uid-%d", a.names)))
	}
	if creation := m.GetCreationTimestamp(); creation.IsZero() {
		m.SetCreationTimestamp(metav1.Now())
	}
	if m.GetGeneration() == 0 {
		m.SetGeneration(1)
	}
	a.version++
	m.SetResourceVersion(strconv.Itoa(a.version))
}

func (a *API) nextVersion() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.version++
	return strconv.Itoa(a.version)
}

func specOf(object any) any {
	if spec := reflect.ValueOf(object).Elem().FieldByName("Spec"); spec.IsValid() {
		return spec.Interface()
	}
	return nil
}

// renew gives a changed object its new version and, if its spec changed, generation.
func (a *API) renew(changed runtime.Object, current runtime.Object) {
	into, from := changed.(metav1.Object), current.(metav1.Object)
	into.SetGeneration(from.GetGeneration())
	if !equality.Semantic.DeepEqual(specOf(changed), specOf(current)) {
		into.SetGeneration(from.GetGeneration() + 1)
	}
	into.SetResourceVersion(a.nextVersion())
}
