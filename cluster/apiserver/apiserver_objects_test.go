package apiserver_test

import (
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

func (e *env) services(t *testing.T) {
	service := func(name string, port int32) *v1.Service {
		return &v1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.ServiceSpec{
			Type: v1.ServiceTypeNodePort, Ports: []v1.ServicePort{{Port: 80, NodePort: port}},
		}}
	}
	services := e.admin.CoreV1().Services("default")
	first := must[*v1.Service](t)(services.Create(t.Context(), service("first", 30080), metav1.CreateOptions{}))
	if !strings.HasPrefix(first.Spec.ClusterIP, "10.96.") {
		t.Errorf("cluster address %s", first.Spec.ClusterIP)
	}
	must[any](t)(e.admin.NetworkingV1().IPAddresses().Get(t.Context(), first.Spec.ClusterIP, metav1.GetOptions{}))
	_, err := services.Create(t.Context(), service("second", 30080), metav1.CreateOptions{})
	wantError(t, err, `Service "second" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated`)
	_, err = services.Create(t.Context(), service("third", 20000), metav1.CreateOptions{})
	wantError(t, err, "provided port is not in the valid range. The range of valid ports is 30000-32767")
	any := must[*v1.Service](t)(services.Create(t.Context(), service("any", 0), metav1.CreateOptions{}))
	if p := any.Spec.Ports[0].NodePort; p < 30000 || p > 32767 {
		t.Errorf("node port %d", p)
	}
}

func (e *env) customResources(t *testing.T) {
	ctx := t.Context()
	dyn := must[*dynamic.DynamicClient](t)(dynamic.NewForConfig(e.Admin))
	var crd unstructured.Unstructured
	if err := crd.UnmarshalJSON([]byte(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"games.play.example"},
		"spec":{"group":"play.example","scope":"Namespaced","names":{"plural":"games","singular":"game","kind":"Game"},
		"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object",
		"properties":{"players":{"type":"integer","minimum":1}}}}}}}]}}`)); err != nil {
		t.Fatal(err)
	}
	definitions := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	must[any](t)(dyn.Resource(definitions).Create(ctx, &crd, metav1.CreateOptions{}))
	games := dyn.Resource(schema.GroupVersionResource{Group: "play.example", Version: "v1", Resource: "games"}).Namespace("default")
	game := func(name string, players int64) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "play.example/v1", "kind": "Game", "metadata": map[string]any{"name": name}, "spec": map[string]any{"players": players},
		}}
	}
	eventually(t, "a custom resource can be made", func() bool {
		_, err := games.Create(ctx, game("tag", 3), metav1.CreateOptions{})
		return err == nil
	})
	_, err := games.Create(ctx, game("nobody", 0), metav1.CreateOptions{})
	wantError(t, err, `spec.players in body should be greater than or equal to 1`)
	eventually(t, "its schema is published", func() bool {
		return strings.Contains(e.get(t, "/openapi/v3"), "apis/play.example/v1")
	})
}

func (e *env) restart(t *testing.T) {
	ctx := t.Context()
	// What a learner deletes comes back with the server; what they add stays.
	roles := e.admin.RbacV1().ClusterRoles()
	if err := roles.Delete(ctx, "system:node-proxier", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	e.Restart()
	t.Logf("stopped and ready again after %s", time.Since(began).Round(time.Millisecond))
	e.admin = client(t, e.Admin)
	must[any](t)(e.admin.RbacV1().ClusterRoles().Get(ctx, "system:node-proxier", metav1.GetOptions{}))
	got := must[*v1.Secret](t)(e.admin.CoreV1().Secrets("default").Get(ctx, "hidden", metav1.GetOptions{}))
	if string(got.Data["word"]) != "open sesame" {
		t.Error("the Secret was lost")
	}
}
