package apiserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"noriter.dev/noriter/cluster/apiserver/apiservertest"
)

// env is the one server that the tests below share: each uses objects of its own.
type env struct {
	*apiservertest.Cluster
	admin kubernetes.Interface
}

// TestServer starts a store and a server once and looks at them from all sides.
func TestServer(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole API server")
	}
	began := time.Now()
	c := apiservertest.StartForTest(t)
	t.Logf("ready after %s", time.Since(began).Round(time.Millisecond))
	e := &env{c, client(t, c.Admin)}
	e.makeDefaultAccount(t)
	for _, tt := range []struct {
		name string
		test func(*testing.T)
	}{
		{"groups", e.groups},
		{"bootstrap objects", e.bootstrapObjects},
		{"table", e.table},
		{"apply", e.apply},
		{"watch", e.watchBookmarks},
		{"anonymous", e.anonymous},
		{"rbac", e.rbac},
		{"controllers' rights", e.controllerRights},
		{"nodes", e.nodes},
		{"tokens", e.tokens},
		{"front proxy", e.frontProxy},
		{"encryption", e.encryption},
		{"services", e.services},
		{"custom resources", e.customResources},
		{"openapi", e.openAPI},
		{"admission", e.admission},
		{"policy", e.policy},
		{"audit", e.audit},
		{"restart", e.restart}, // last: it changes the address
	} {
		t.Run(tt.name, tt.test)
	}
}

func client(t *testing.T, cfg *rest.Config) kubernetes.Interface {
	t.Helper()
	c, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// must is a value whose error ends the test.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// wantError checks an error's text against upstream's words.
func wantError(t *testing.T, err error, words string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("error is  %v\nwant it to say %s", err, words)
	}
}

// eventually waits for what a background loop does.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not after 10 s: %s", what)
}

// makeDefaultAccount does what the service-account controller would.
func (e *env) makeDefaultAccount(t *testing.T) {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	must[*corev1.ServiceAccount](t)(e.admin.CoreV1().ServiceAccounts("default").Create(t.Context(), account, metav1.CreateOptions{}))
}

// get reads a path as JSON text.
func (e *env) get(t *testing.T, path string, header ...string) string {
	t.Helper()
	path, query, _ := strings.Cut(path, "?")
	req := e.admin.CoreV1().RESTClient().Get().AbsPath(path)
	if key, value, ok := strings.Cut(query, "="); ok {
		req = req.Param(key, value)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req = req.SetHeader(header[i], header[i+1])
	}
	data, err := req.DoRaw(t.Context())
	if err != nil {
		t.Fatalf("GET %s: %v\n%s", path, err, data)
	}
	return string(data)
}

func (e *env) groups(t *testing.T) {
	list := must[*metav1.APIGroupList](t)(e.admin.Discovery().ServerGroups())
	var have []string
	for _, g := range list.Groups {
		for _, v := range g.Versions {
			have = append(have, v.GroupVersion)
		}
	}
	for _, want := range []string{
		"v1", "apps/v1", "batch/v1", "autoscaling/v1", "autoscaling/v2", "networking.k8s.io/v1", "discovery.k8s.io/v1",
		"rbac.authorization.k8s.io/v1", "storage.k8s.io/v1", "policy/v1", "coordination.k8s.io/v1", "events.k8s.io/v1",
		"scheduling.k8s.io/v1", "authentication.k8s.io/v1", "authorization.k8s.io/v1", "certificates.k8s.io/v1",
		"apiextensions.k8s.io/v1", "apiregistration.k8s.io/v1", "node.k8s.io/v1", "admissionregistration.k8s.io/v1",
		"resource.k8s.io/v1",
	} {
		if !slices.Contains(have, want) {
			t.Errorf("%s is not served; there are %v", want, have)
		}
	}
	if i := slices.IndexFunc(have, func(gv string) bool { return strings.Contains(gv, "alpha") || strings.Contains(gv, "beta") }); i >= 0 {
		t.Errorf("%s is served, which no learner needs", have[i])
	}
	v := must[string](t)(e.version())
	if !strings.HasPrefix(v, "1.37") {
		t.Errorf("version %s", v)
	}
}

// version is the emulated version; the exact one is linked in by the build.
func (e *env) version() (string, error) {
	v, err := e.admin.Discovery().ServerVersion()
	if err != nil {
		return "", err
	}
	return v.EmulationMajor + "." + v.EmulationMinor, nil
}

func (e *env) bootstrapObjects(t *testing.T) {
	ctx := t.Context()
	for _, name := range []string{"default", "kube-system", "kube-public", "kube-node-lease"} {
		eventually(t, "namespace "+name, func() bool {
			_, err := e.admin.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
			return err == nil
		})
	}
	eventually(t, "the Service kubernetes and its endpoints", func() bool {
		s, err := e.admin.CoreV1().Services("default").Get(ctx, "kubernetes", metav1.GetOptions{})
		if err != nil || s.Spec.ClusterIP != "10.96.0.1" {
			return false
		}
		slice, err := e.admin.DiscoveryV1().EndpointSlices("default").Get(ctx, "kubernetes", metav1.GetOptions{})
		return err == nil && len(slice.Endpoints) == 1 && slice.Endpoints[0].Addresses[0] == apiservertest.AdvertiseAddress
	})
	cidr, err := e.admin.NetworkingV1().ServiceCIDRs().Get(ctx, "kubernetes", metav1.GetOptions{})
	if err != nil || !slices.Equal(cidr.Spec.CIDRs, []string{"10.96.0.0/16"}) {
		t.Errorf("ServiceCIDR %v: %v", cidr, err)
	}
	for _, name := range []string{"system-node-critical", "system-cluster-critical"} {
		must[any](t)(e.admin.SchedulingV1().PriorityClasses().Get(ctx, name, metav1.GetOptions{}))
	}
	for _, name := range []string{"cluster-admin", "edit", "view", "system:node-proxier", "system:controller:replicaset-controller"} {
		must[any](t)(e.admin.RbacV1().ClusterRoles().Get(ctx, name, metav1.GetOptions{}))
	}
	must[any](t)(e.admin.RbacV1().Roles("kube-system").Get(ctx, "extension-apiserver-authentication-reader", metav1.GetOptions{}))
	eventually(t, "the authorities for aggregated servers", func() bool {
		m, err := e.admin.CoreV1().ConfigMaps("kube-system").Get(ctx, "extension-apiserver-authentication", metav1.GetOptions{})
		return err == nil && m.Data["client-ca-file"] != "" && m.Data["requestheader-client-ca-file"] != ""
	})
}

func (e *env) table(t *testing.T) {
	const asTable = "application/json;as=Table;v=v1;g=meta.k8s.io"
	var table metav1.Table
	if err := json.Unmarshal([]byte(e.get(t, "/apis/apps/v1/namespaces/default/deployments", "Accept", asTable)), &table); err != nil {
		t.Fatal(err)
	}
	var columns []string
	for _, c := range table.ColumnDefinitions {
		columns = append(columns, c.Name)
	}
	want := []string{"Name", "Ready", "Up-to-date", "Available", "Age", "Containers", "Images", "Selector"}
	if !slices.Equal(columns, want) {
		t.Errorf("columns of deployments: %v", columns)
	}
}

func (e *env) apply(t *testing.T) {
	maps := e.admin.CoreV1().ConfigMaps("default")
	apply := func(manager, value string) error {
		data := []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"applied"},"data":{"k":"` + value + `"}}`)
		_, err := maps.Patch(t.Context(), "applied", types.ApplyPatchType, data, metav1.PatchOptions{FieldManager: manager})
		return err
	}
	if err := apply("one", "a"); err != nil {
		t.Fatal(err)
	}
	err := apply("two", "b")
	wantError(t, err, `Apply failed with 1 conflict: conflict with "one": .data.k`)
	// Lists are merged by key, which the server learns from the schema.
	deployment := func(manager, container string) {
		data := []byte(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"applied"},"spec":{"selector":{"matchLabels":{"a":"b"}},
			"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"` + container + `","image":"busybox"}]}}}}`)
		must[any](t)(e.admin.AppsV1().Deployments("default").Patch(t.Context(), "applied", types.ApplyPatchType, data, metav1.PatchOptions{FieldManager: manager}))
	}
	deployment("one", "first")
	deployment("two", "second")
	d := must[any](t)(e.admin.AppsV1().Deployments("default").Get(t.Context(), "applied", metav1.GetOptions{}))
	if text := string(must[[]byte](t)(json.Marshal(d))); !strings.Contains(text, `"first"`) || !strings.Contains(text, `"second"`) {
		t.Errorf("containers of two managers weren't merged: %s", text)
	}
}

func (e *env) watchBookmarks(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	w := must[watch.Interface](t)(e.admin.CoreV1().Namespaces().Watch(ctx, metav1.ListOptions{
		AllowWatchBookmarks: true, SendInitialEvents: new(true), ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	}))
	defer w.Stop()
	added := 0
	for event := range w.ResultChan() {
		switch event.Type {
		case watch.Added:
			added++
		case watch.Bookmark:
			if event.Object.(*corev1.Namespace).Annotations[metav1.InitialEventsAnnotationKey] != "true" {
				t.Error("the bookmark after the initial events doesn't say so")
			}
			if added < 4 {
				t.Errorf("only %d namespaces before the bookmark", added)
			}
			return
		default:
			t.Fatalf("event %v", event)
		}
	}
	t.Fatal("no bookmark came")
}

func (e *env) anonymous(t *testing.T) {
	_, err := client(t, e.Anonymous()).CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
	if !apierrors.IsUnauthorized(err) {
		t.Errorf("error %v, want 401", err)
	}
	// Whoever has a certificate may ask how the server does.
	for _, path := range []string{"/livez", "/readyz", "/healthz", "/version"} {
		if _, err := client(t, e.As("control", "scheduler.conf")).CoreV1().RESTClient().Get().AbsPath(path).DoRaw(t.Context()); err != nil {
			t.Errorf("%s for the scheduler: %v", path, err)
		}
	}
}

func (e *env) rbac(t *testing.T) {
	scheduler := client(t, e.As("control", "scheduler.conf"))
	_, err := scheduler.CoreV1().Secrets("default").List(t.Context(), metav1.ListOptions{})
	wantError(t, err, `secrets is forbidden: User "system:kube-scheduler" cannot list resource "secrets" in API group "" in the namespace "default"`)
	must[any](t)(scheduler.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{}))
	must[any](t)(client(t, e.As("node1", "kube-proxy.conf")).DiscoveryV1().EndpointSlices("").List(t.Context(), metav1.ListOptions{}))
}

// controllerRights asks for what our controllers do under the one identity
// that they share.
func (e *env) controllerRights(t *testing.T) {
	controllers := client(t, e.As("control", "controller-manager.conf"))
	for _, r := range []authorizationv1.ResourceAttributes{
		{Verb: "create", Resource: "pods"},
		{Verb: "delete", Resource: "pods"},
		{Verb: "patch", Resource: "pods", Subresource: "status"},
		{Verb: "update", Group: "apps", Resource: "replicasets", Subresource: "status"},
		{Verb: "create", Group: "apps", Resource: "replicasets"},
		{Verb: "create", Group: "apps", Resource: "controllerrevisions"},
		{Verb: "update", Group: "batch", Resource: "cronjobs", Subresource: "status"},
		{Verb: "create", Group: "discovery.k8s.io", Resource: "endpointslices"},
		{Verb: "update", Resource: "nodes"},
		{Verb: "patch", Resource: "nodes", Subresource: "status"},
		{Verb: "delete", Group: "any.example", Resource: "things"},
		{Verb: "update", Resource: "namespaces", Subresource: "finalize"},
		{Verb: "create", Resource: "serviceaccounts"},
		{Verb: "create", Resource: "configmaps"},
		{Verb: "update", Resource: "services", Subresource: "status"},
		{Verb: "update", Resource: "resourcequotas", Subresource: "status"},
		{Verb: "update", Group: "rbac.authorization.k8s.io", Resource: "clusterroles"},
		{Verb: "escalate", Group: "rbac.authorization.k8s.io", Resource: "clusterroles"},
		{Verb: "create", Resource: "persistentvolumes"},
		{Verb: "update", Group: "apps", Resource: "deployments", Subresource: "scale"},
		{Verb: "create", Group: "coordination.k8s.io", Resource: "leases", Namespace: "kube-system"},
		{Verb: "create", Resource: "events"},
	} {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &r}}
		got, err := controllers.AuthorizationV1().SelfSubjectAccessReviews().Create(t.Context(), review, metav1.CreateOptions{})
		if err != nil || !got.Status.Allowed {
			t.Errorf("the controllers may not %s %s/%s/%s (%v)", r.Verb, r.Group, r.Resource, r.Subresource, err)
		}
	}
}

func (e *env) frontProxy(t *testing.T) {
	cfg := e.Anonymous()
	cfg.CertFile, cfg.KeyFile = e.Dir+"/etc/kubernetes/pki/front-proxy-client.crt", e.Dir+"/etc/kubernetes/pki/front-proxy-client.key"
	cfg.WrapTransport = func(next http.RoundTripper) http.RoundTripper { return asUser{next, "kim"} }
	review := must[*authenticationv1.SelfSubjectReview](t)(client(t, cfg).AuthenticationV1().SelfSubjectReviews().
		Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{}))
	if got := review.Status.UserInfo.Username; got != "kim" {
		t.Errorf("the proxy's user is %q", got)
	}
}

// asUser sets the header in which a front proxy names the user.
type asUser struct {
	next http.RoundTripper
	name string
}

// RoundTrip sends the request with the header.
func (u asUser) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Remote-User", u.name)
	return u.next.RoundTrip(r)
}

func (e *env) encryption(t *testing.T) {
	ctx := t.Context()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "hidden"}, StringData: map[string]string{"word": "open sesame"}}
	must[any](t)(e.admin.CoreV1().Secrets("default").Create(ctx, secret, metav1.CreateOptions{}))
	raw := e.Raw(ctx, "/registry/secrets/default/hidden")
	if !bytes.HasPrefix(raw, []byte("k8s:enc:secretbox:v1:key1:")) || bytes.Contains(raw, []byte("sesame")) {
		t.Errorf("the Secret lies in etcd as %.80q", raw)
	}
	got := must[*corev1.Secret](t)(e.admin.CoreV1().Secrets("default").Get(ctx, "hidden", metav1.GetOptions{}))
	if string(got.Data["word"]) != "open sesame" {
		t.Errorf("the Secret comes back as %q", got.Data["word"])
	}
}

func (e *env) services(t *testing.T) {
	service := func(name string, port int32) *corev1.Service {
		return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{Port: 80, NodePort: port}},
		}}
	}
	services := e.admin.CoreV1().Services("default")
	first := must[*corev1.Service](t)(services.Create(t.Context(), service("first", 30080), metav1.CreateOptions{}))
	if !strings.HasPrefix(first.Spec.ClusterIP, "10.96.") {
		t.Errorf("cluster address %s", first.Spec.ClusterIP)
	}
	must[any](t)(e.admin.NetworkingV1().IPAddresses().Get(t.Context(), first.Spec.ClusterIP, metav1.GetOptions{}))
	_, err := services.Create(t.Context(), service("second", 30080), metav1.CreateOptions{})
	wantError(t, err, `Service "second" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated`)
	_, err = services.Create(t.Context(), service("third", 20000), metav1.CreateOptions{})
	wantError(t, err, "provided port is not in the valid range. The range of valid ports is 30000-32767")
	any := must[*corev1.Service](t)(services.Create(t.Context(), service("any", 0), metav1.CreateOptions{}))
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

func (e *env) audit(t *testing.T) {
	var line string
	eventually(t, "the audit log tells of the Secret", func() bool {
		data, err := os.ReadFile(e.AuditLog())
		if err != nil {
			t.Fatal(err)
		}
		for l := range strings.Lines(string(data)) {
			if strings.Contains(l, `"name":"hidden"`) && strings.Contains(l, `"verb":"create"`) {
				line = l
			}
		}
		return line != ""
	})
	if strings.Contains(line, "sesame") || strings.Contains(line, "requestObject") {
		t.Errorf("the audit log has the Secret's content: %s", line)
	}
	if !strings.Contains(line, `"username":"kubernetes-admin"`) {
		t.Errorf("the audit log doesn't say who it was: %s", line)
	}
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
	got := must[*corev1.Secret](t)(e.admin.CoreV1().Secrets("default").Get(ctx, "hidden", metav1.GetOptions{}))
	if string(got.Data["word"]) != "open sesame" {
		t.Error("the Secret was lost")
	}
}
