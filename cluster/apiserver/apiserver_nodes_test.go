package apiserver_test

import (
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	openapi_v2 "github.com/google/gnostic-models/openapiv2"
)

func pod(name, node string) *v1.Pod {
	return &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.PodSpec{
		NodeName: node, Containers: []v1.Container{{Name: "c", Image: "busybox:1.37"}},
	}}
}

// nodes checks that an agent may do what concerns its node and nothing else.
func (e *env) nodes(t *testing.T) {
	ctx := t.Context()
	node1, node2 := client(t, e.As("node1", "kubelet.conf")), client(t, e.As("node2", "kubelet.conf"))
	node := func(name string) *v1.Node { return &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}} }
	made := must[*v1.Node](t)(node1.CoreV1().Nodes().Create(ctx, node("node1"), metav1.CreateOptions{}))
	if len(made.Spec.Taints) != 1 || made.Spec.Taints[0].Key != v1.TaintNodeNotReady {
		t.Errorf("a new node has taints %v", made.Spec.Taints)
	}
	must[any](t)(node2.CoreV1().Nodes().Create(ctx, node("node2"), metav1.CreateOptions{}))
	_, err := node1.CoreV1().Nodes().Create(ctx, node("node3"), metav1.CreateOptions{})
	wantError(t, err, `node "node1" is not allowed to modify node "node3"`)

	secrets := e.admin.CoreV1().Secrets("default")
	must[any](t)(secrets.Create(ctx, &v1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "for-node1"}}, metav1.CreateOptions{}))
	_, err = node1.CoreV1().Secrets("default").Get(ctx, "for-node1", metav1.GetOptions{})
	wantError(t, err, `User "system:node:node1" cannot get resource "secrets"`)
	wantError(t, err, "no relationship found between node 'node1' and this object")
	user := pod("uses-secret", "node1")
	user.Spec.Volumes = []v1.Volume{{Name: "s", VolumeSource: v1.VolumeSource{Secret: &v1.SecretVolumeSource{SecretName: "for-node1"}}}}
	must[any](t)(e.admin.CoreV1().Pods("default").Create(ctx, user, metav1.CreateOptions{}))
	eventually(t, "node1 may read the Secret of its pod", func() bool {
		_, err := node1.CoreV1().Secrets("default").Get(ctx, "for-node1", metav1.GetOptions{})
		return err == nil
	})
	if _, err := node2.CoreV1().Secrets("default").Get(ctx, "for-node1", metav1.GetOptions{}); err == nil {
		t.Error("node2 may read the Secret of node1's pod")
	}
	err = node2.CoreV1().Pods("default").Delete(ctx, "uses-secret", metav1.DeleteOptions{})
	wantError(t, err, `node "node2" can only delete pods with spec.nodeName set to itself`)
}

// tokens checks TokenRequest and what a token is good for.
func (e *env) tokens(t *testing.T) {
	ctx := t.Context()
	bound := must[*v1.Pod](t)(e.admin.CoreV1().Pods("default").Create(ctx, pod("bound", ""), metav1.CreateOptions{}))
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: new(int64(3607)),
		BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: bound.Name, UID: bound.UID},
	}}
	got := must[*authenticationv1.TokenRequest](t)(e.admin.CoreV1().ServiceAccounts("default").CreateToken(ctx, "default", request, metav1.CreateOptions{}))
	cfg := e.Anonymous()
	cfg.BearerToken = got.Status.Token
	account := client(t, cfg)
	whoAmI := func() (*authenticationv1.SelfSubjectReview, error) {
		return account.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	}
	me := must[*authenticationv1.SelfSubjectReview](t)(whoAmI()).Status.UserInfo
	if me.Username != "system:serviceaccount:default:default" || me.Extra["authentication.kubernetes.io/pod-name"][0] != "bound" {
		t.Errorf("the token is of %+v", me)
	}
	_, err := account.CoreV1().Secrets("default").List(ctx, metav1.ListOptions{})
	wantError(t, err, `User "system:serviceaccount:default:default" cannot list resource "secrets"`)
	// Its keys are published, for those who check tokens themselves.
	if keys := e.get(t, "/openid/v1/jwks"); !strings.Contains(keys, `"kty":"EC"`) {
		t.Errorf("published keys: %s", keys)
	}
	if issuer := e.get(t, "/.well-known/openid-configuration"); !strings.Contains(issuer, "https://kubernetes.default.svc.cluster.local") {
		t.Errorf("issuer: %s", issuer)
	}
	cfg.BearerToken += "x"
	if _, err := client(t, cfg).CoreV1().Pods("default").List(ctx, metav1.ListOptions{}); err == nil {
		t.Error("a forged token passes")
	}
}

// openAPI checks the schemas, which are built when they are asked for.
func (e *env) openAPI(t *testing.T) {
	doc := must[*openapi_v2.Document](t)(e.admin.Discovery().OpenAPISchema())
	found := map[string]bool{}
	for _, d := range doc.Definitions.AdditionalProperties {
		found[d.Name] = true
	}
	for _, want := range []string{"io.k8s.api.core.v1.Pod", "io.k8s.api.apps.v1.Deployment", "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService",
		"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition"} {
		if !found[want] {
			t.Errorf("the v2 schema lacks %s", want)
		}
	}
	paths, err := e.admin.Discovery().OpenAPIV3().Paths()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"api/v1", "apis/apps/v1", "apis/apiextensions.k8s.io/v1", "apis/apiregistration.k8s.io/v1"} {
		gv, ok := paths[path]
		if !ok {
			t.Errorf("the v3 index lacks %s", path)
			continue
		}
		for _, form := range []string{"application/json", "application/com.github.proto-openapi.spec.v3.v1.0+protobuf"} {
			if data, err := gv.Schema(form); err != nil || len(data) < 1000 {
				t.Errorf("%s as %s: %d bytes, %v", path, form, len(data), err)
			}
		}
	}
	schema := e.get(t, "/openapi/v3/apis/apps/v1")
	if !strings.Contains(schema, `"io.k8s.api.apps.v1.Deployment"`) || strings.Contains(schema, `"group":"batch","kind":"DeleteOptions"`) {
		t.Error("the v3 schema of apps/v1 isn't what upstream's is")
	}
	if got := e.get(t, "/openapi/v3/apis/apps/v1?hash=OLD"); got != schema {
		t.Error("an old address doesn't lead to the new one")
	}
}

// admission checks that the chain is there, link by link.
func (e *env) admission(t *testing.T) {
	ctx := t.Context()
	pods := e.admin.CoreV1().Pods("default")
	p := must[*v1.Pod](t)(pods.Create(ctx, pod("admitted", ""), metav1.CreateOptions{}))
	if p.Spec.ServiceAccountName != "default" || len(p.Spec.Volumes) != 1 || p.Spec.Volumes[0].Projected == nil {
		t.Errorf("ServiceAccount: account %q, volumes %v", p.Spec.ServiceAccountName, p.Spec.Volumes)
	}
	var tolerated []string
	for _, tol := range p.Spec.Tolerations {
		tolerated = append(tolerated, tol.Key)
	}
	if strings.Join(tolerated, " ") != "node.kubernetes.io/not-ready node.kubernetes.io/unreachable" {
		t.Errorf("DefaultTolerationSeconds: %v", tolerated)
	}
	if p.Spec.Priority == nil || *p.Spec.Priority != 0 {
		t.Errorf("Priority: %v", p.Spec.Priority)
	}
	stranger := pod("stranger", "")
	stranger.Spec.ServiceAccountName = "nobody"
	_, err := pods.Create(ctx, stranger, metav1.CreateOptions{})
	wantError(t, err, `pods "stranger" is forbidden: error looking up service account default/nobody: serviceaccount "nobody" not found`)
	_, err = e.admin.CoreV1().Pods("nowhere").Create(ctx, pod("lost", ""), metav1.CreateOptions{})
	wantError(t, err, `namespaces "nowhere" not found`)

	ns := &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "strict", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "baseline"}}}
	must[any](t)(e.admin.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{}))
	must[any](t)(e.admin.CoreV1().ServiceAccounts("strict").Create(ctx, &v1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{}))
	host := pod("host", "")
	host.Spec.HostNetwork = true
	eventually(t, "PodSecurity has seen the namespace", func() bool {
		_, err = e.admin.CoreV1().Pods("strict").Create(ctx, host, metav1.CreateOptions{})
		return err != nil && !strings.Contains(err.Error(), "not found")
	})
	wantError(t, err, `violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)`)
}

// policy checks that a policy written in CEL is enforced.
func (e *env) policy(t *testing.T) {
	ctx := t.Context()
	dyn := must[*dynamic.DynamicClient](t)(dynamic.NewForConfig(e.Admin))
	make := func(resource, text string) {
		var u unstructured.Unstructured
		if err := u.UnmarshalJSON([]byte(text)); err != nil {
			t.Fatal(err)
		}
		gvr := schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: resource}
		must[any](t)(dyn.Resource(gvr).Create(ctx, &u, metav1.CreateOptions{}))
	}
	make("validatingadmissionpolicies", `{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicy","metadata":{"name":"polite"},
		"spec":{"matchConstraints":{"resourceRules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":["configmaps"]}]},
		"validations":[{"expression":"!object.metadata.name.startsWith('rude')","message":"be polite"}]}}`)
	make("validatingadmissionpolicybindings", `{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicyBinding","metadata":{"name":"polite"},
		"spec":{"policyName":"polite","validationActions":["Deny"]}}`)
	var err error
	eventually(t, "the policy is enforced", func() bool {
		m := &v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "rude-"}}
		_, err = e.admin.CoreV1().ConfigMaps("default").Create(ctx, m, metav1.CreateOptions{})
		return err != nil
	})
	wantError(t, err, "ValidatingAdmissionPolicy 'polite' with binding 'polite' denied request: be polite")
}
