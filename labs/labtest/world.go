package labtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"noriter.dev/noriter/labs/check"
)

// kinds are what exists in the cluster.
var kinds = []struct {
	kind       schema.GroupVersionKind
	namespaced bool
}{
	{schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, true},
	{schema.GroupVersionKind{Version: "v1", Kind: "Event"}, true},
	{schema.GroupVersionKind{Version: "v1", Kind: "Service"}, true},
	{schema.GroupVersionKind{Version: "v1", Kind: "ServiceAccount"}, true},
	{schema.GroupVersionKind{Version: "v1", Kind: "Secret"}, true},
	{schema.GroupVersionKind{Version: "v1", Kind: "ResourceQuota"}, true},
	{schema.GroupVersionKind{Version: "v1", Kind: "LimitRange"}, true},
	{schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, false},
	{schema.GroupVersionKind{Version: "v1", Kind: "Node"}, false},
	{schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ReplicaSet"}, true},
	{schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "DaemonSet"}, true},
	{schema.GroupVersionKind{Group: "discovery.k8s.io", Version: "v1", Kind: "EndpointSlice"}, true},
	{schema.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"}, true},
}

// World is the cluster.
type World struct {
	*check.Cluster
	Client *fake.FakeDynamicClient
	// Dir is where commands in containers read files.
	Dir string
	// Pages are what HTTP answers: by pod name, or "" for every pod.
	Pages map[string]check.Page

	mu     sync.Mutex
	serial int
	refuse error
	// OnDelete is told of every pod that is deleted by name.
	OnDelete func(namespace, name string)
}

// NewWorld makes a cluster with the given objects, and a node that is ready.
func NewWorld(dir string, objects ...*unstructured.Unstructured) *World {
	w := &World{Dir: dir, Pages: map[string]check.Page{}}
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Version: "v1"}, {Group: "apps", Version: "v1"},
		{Group: "discovery.k8s.io", Version: "v1"}, {Group: "networking.k8s.io", Version: "v1"}})
	lists := map[schema.GroupVersionResource]string{}
	for _, k := range kinds {
		scope := meta.RESTScopeRoot
		if k.namespaced {
			scope = meta.RESTScopeNamespace
		}
		mapper.Add(k.kind, scope)
		plural, _ := meta.UnsafeGuessKindToResource(k.kind)
		lists[plural] = k.kind.Kind + "List"
	}
	w.Client = fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists)
	w.Client.PrependReactor("create", "*", w.created)
	w.Client.PrependReactor("delete", "*", w.deleted)
	w.Cluster = &check.Cluster{Dynamic: w.Client, Mapper: mapper, Reach: (*reach)(w)}
	w.Put(Object("v1", "Node", "", "node1", map[string]any{"status": map[string]any{
		"conditions": []any{map[string]any{"type": "Ready", "status": "True"}},
		"addresses":  []any{map[string]any{"type": "InternalIP", "address": "127.0.0.1"}}}}))
	for _, o := range objects {
		w.Put(o)
	}
	return w
}

// Object makes an object; more is laid over it.
func Object(apiVersion, kind, namespace, name string, more map[string]any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{}}
	for k, v := range more {
		o.Object[k] = v
	}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	o.SetNamespace(namespace)
	o.SetName(name)
	return o
}

// Pod makes a pod that is ready; labels are given as KEY=VALUE.
func Pod(namespace, name string, labels ...string) *unstructured.Unstructured {
	o := Object("v1", "Pod", namespace, name, map[string]any{
		"spec": map[string]any{"nodeName": "node1",
			"containers": []any{map[string]any{"name": name, "image": "noriter/hello:v1"}}},
		"status": map[string]any{"phase": "Running", "podIP": "10.244.1.5", "hostIP": "10.77.0.11",
			"conditions":        []any{map[string]any{"type": "Ready", "status": "True"}},
			"containerStatuses": []any{map[string]any{"name": name, "ready": true, "restartCount": int64(0)}}},
	})
	o.SetUID(types.UID("uid-" + name))
	set := map[string]string{}
	for _, l := range labels {
		k, v, _ := strings.Cut(l, "=")
		set[k] = v
	}
	if len(set) > 0 {
		o.SetLabels(set)
	}
	return o
}

// With sets a field of an object, named by its path with dots.
func With(o *unstructured.Unstructured, path string, value any) *unstructured.Unstructured {
	if err := unstructured.SetNestedField(o.Object, value, strings.Split(path, ".")...); err != nil {
		panic(err) // a test gave a wrong path
	}
	return o
}

// Owned gives an object a controlling owner.
func Owned(o *unstructured.Unstructured, kind, name string) *unstructured.Unstructured {
	return With(o, "metadata.ownerReferences", []any{map[string]any{"kind": kind, "name": name, "uid": "uid-" + name, "controller": true}})
}

// Refuse makes the API server refuse every creation with an error; nil ends that.
func (w *World) Refuse(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuse = err
}

func resource(o *unstructured.Unstructured) schema.GroupVersionResource {
	plural, _ := meta.UnsafeGuessKindToResource(o.GroupVersionKind())
	return plural
}

// Put adds an object or replaces it.
func (w *World) Put(o *unstructured.Unstructured) {
	tracker := w.Client.Tracker()
	if err := tracker.Create(resource(o), o.DeepCopy(), o.GetNamespace()); err != nil {
		if err := tracker.Update(resource(o), o.DeepCopy(), o.GetNamespace()); err != nil {
			panic(err) // a test's object can't be stored
		}
	}
}

// Drop removes an object.
func (w *World) Drop(o *unstructured.Unstructured) {
	if err := w.Client.Tracker().Delete(resource(o), o.GetNamespace(), o.GetName()); err != nil {
		panic(err) // a test removes what isn't there
	}
}

// created gives new objects what an API server gives them, makes pods ready,
// and gives every namespace its service account.
func (w *World) created(action clienttesting.Action) (bool, runtime.Object, error) {
	o, ok := action.(clienttesting.CreateAction).GetObject().(*unstructured.Unstructured)
	if !ok {
		return false, nil, nil
	}
	w.mu.Lock()
	w.serial++
	o.SetUID(types.UID(fmt.Sprintf("uid-%d", w.serial)))
	refuse := w.refuse
	w.mu.Unlock()
	if refuse != nil {
		return true, nil, refuse
	}
	switch o.GetKind() {
	case "Namespace":
		w.Put(Object("v1", "ServiceAccount", o.GetName(), "default", nil))
	case "Pod":
		o.Object["status"] = Pod("", o.GetName()).Object["status"]
	}
	return false, nil, nil
}

// deleted empties a namespace that goes, and tells of pods.
func (w *World) deleted(action clienttesting.Action) (bool, runtime.Object, error) {
	d := action.(clienttesting.DeleteAction)
	switch d.GetResource().Resource {
	case "namespaces":
		for _, k := range kinds {
			if !k.namespaced {
				continue
			}
			plural, _ := meta.UnsafeGuessKindToResource(k.kind)
			list, err := w.Client.Tracker().List(plural, k.kind, d.GetName())
			if err != nil {
				continue
			}
			_ = meta.EachListItem(list, func(o runtime.Object) error { // the function gives no error
				w.Drop(o.(*unstructured.Unstructured))
				return nil
			})
		}
	case "pods":
		if w.OnDelete != nil {
			go func() {
				time.Sleep(20 * time.Millisecond) // after the object is gone
				w.OnDelete(d.GetNamespace(), d.GetName())
			}()
		}
	}
	return false, nil, nil
}

// reach answers for the containers.
type reach World

// Exec knows `cat FILE`, which reads the file of that base name in Dir.
func (r *reach) Exec(_ context.Context, _, _, _ string, command []string) (check.Output, error) {
	if len(command) == 2 && command[0] == "cat" {
		data, err := os.ReadFile(filepath.Join(r.Dir, filepath.Base(command[1])))
		if err != nil {
			return check.Output{Stderr: err.Error(), Code: 1}, nil
		}
		return check.Output{Stdout: string(data)}, nil
	}
	if page, ok := r.Pages["exec"]; ok {
		return check.Output{Stdout: page.Body, Code: page.Code}, nil
	}
	return check.Output{Stderr: "not found", Code: 127}, nil
}

// Logs gives the file POD.log of Dir.
func (r *reach) Logs(_ context.Context, _, pod, _ string, _ int, _ bool) (string, error) {
	data, err := os.ReadFile(filepath.Join(r.Dir, pod+".log"))
	return string(data), err
}

// Get gives the page that the test laid down for a pod.
func (r *reach) Get(_ context.Context, _, _, name string, _ int, _ string) (check.Page, error) {
	if p, ok := r.Pages[name]; ok {
		return p, nil
	}
	if p, ok := r.Pages[""]; ok {
		return p, nil
	}
	return check.Page{Code: 502, Body: "connection refused"}, nil
}
