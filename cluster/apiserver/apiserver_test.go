package apiserver_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
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
		{"identities' rights", e.identityRights},
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
	account := &v1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	must[*v1.ServiceAccount](t)(e.admin.CoreV1().ServiceAccounts("default").Create(t.Context(), account, metav1.CreateOptions{}))
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
			if event.Object.(*v1.Namespace).Annotations[metav1.InitialEventsAnnotationKey] != "true" {
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
