package apiserver_test

import (
	"bytes"
	"net/http"
	"os"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"noriter.dev/noriter/cluster/install/pki"
)

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

// identityRights: what admin.conf and the API server as the agents' client may do
// comes from bindings, and the latter may not do more.
func (e *env) identityRights(t *testing.T) {
	for _, c := range []struct {
		user, group string
		may         authorizationv1.ResourceAttributes
		want        bool
	}{
		{"kubernetes-admin", pki.AdminGroup, authorizationv1.ResourceAttributes{Verb: "*", Group: "*", Resource: "*"}, true},
		{pki.KubeletClient, "", authorizationv1.ResourceAttributes{Verb: "create", Resource: "nodes", Subresource: "proxy", Name: "node1"}, true},
		{pki.KubeletClient, "", authorizationv1.ResourceAttributes{Verb: "get", Resource: "nodes", Subresource: "pods", Name: "node1"}, true},
		{pki.KubeletClient, "", authorizationv1.ResourceAttributes{Verb: "get", Resource: "secrets", Namespace: "default"}, false},
		{pki.KubeletClient, "", authorizationv1.ResourceAttributes{Verb: "create", Resource: "pods", Namespace: "default"}, false},
	} {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: c.user, Groups: []string{c.group, "system:authenticated"}, ResourceAttributes: &c.may}}
		got := must[*authorizationv1.SubjectAccessReview](t)(e.admin.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), review, metav1.CreateOptions{}))
		if got.Status.Allowed != c.want {
			t.Errorf("%s: %s %s/%s is %v", c.user, c.may.Verb, c.may.Resource, c.may.Subresource, got.Status.Allowed)
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
	secret := &v1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "hidden"}, StringData: map[string]string{"word": "open sesame"}}
	must[any](t)(e.admin.CoreV1().Secrets("default").Create(ctx, secret, metav1.CreateOptions{}))
	raw := e.Raw(ctx, "/registry/secrets/default/hidden")
	if !bytes.HasPrefix(raw, []byte("k8s:enc:secretbox:v1:key1:")) || bytes.Contains(raw, []byte("sesame")) {
		t.Errorf("the Secret lies in etcd as %.80q", raw)
	}
	got := must[*v1.Secret](t)(e.admin.CoreV1().Secrets("default").Get(ctx, "hidden", metav1.GetOptions{}))
	if string(got.Data["word"]) != "open sesame" {
		t.Errorf("the Secret comes back as %q", got.Data["word"])
	}
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
