package apiserver

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"k8s.io/apiserver/pkg/apis/audit"
	"k8s.io/apiserver/pkg/audit/policy"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"noriter.dev/noriter/cluster/apiserver/auditpolicy"
)

// parsed are options after flags were read, with all files present.
func parsed(t *testing.T, args ...string) (*Options, error) {
	t.Helper()
	var o Options
	fs := pflag.NewFlagSet("apiserver", pflag.ContinueOnError)
	o.AddFlags(fs)
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	here := "options_test.go" // any file that is there
	for _, f := range []*string{
		&o.CertFile, &o.KeyFile, &o.EtcdCAFile, &o.EtcdCertFile, &o.EtcdKeyFile, &o.EncryptionConfig, &o.ClientCAFile,
		&o.RequestHeaderCAFile, &o.ProxyClientCertFile, &o.ProxyClientKeyFile, &o.ServiceAccountSigningKeyFile,
		&o.KubeletCAFile, &o.KubeletCertFile, &o.KubeletKeyFile,
	} {
		*f = here
	}
	o.ServiceAccountKeyFiles = []string{here}
	return &o, o.Validate()
}

func TestDefaultsAreKubeadms(t *testing.T) {
	var o Options
	o.AddFlags(pflag.NewFlagSet("apiserver", pflag.ContinueOnError))
	if o.SecurePort != 6443 || o.CertFile != "/etc/kubernetes/pki/apiserver.crt" || o.EtcdServers[0] != "https://127.0.0.1:2379" {
		t.Errorf("defaults %+v", o)
	}
	if got := o.ServiceNodePortRange.String(); got != "30000-32767" {
		t.Errorf("node ports %s", got)
	}
	if _, err := parsed(t); err != nil {
		t.Errorf("the defaults aren't valid: %v", err)
	}
}

func TestValidateNamesTheFlag(t *testing.T) {
	for _, tt := range []struct{ arg, want string }{
		{"--bind-address=here", "--bind-address"},
		{"--advertise-address=10.0.0", "--advertise-address"},
		{"--secure-port=70000", "--secure-port=70000"},
		{"--service-cluster-ip-range=10.96.0.0", "--service-cluster-ip-range"},
		{"--service-cluster-ip-range=10.96.0.1/16", "want an IPv4 network"},
		{"--service-cluster-ip-range=10.0.0.0/8", "between /12 and /28"},
		{"--service-cluster-ip-range=fd00::/112", "want an IPv4 network"},
		{"--service-node-port-range=9-8", "9-8"},
		{"--enable-admission-plugins=AlwaysPullImage", `no admission plug-in "AlwaysPullImage"; there are NamespaceLifecycle`},
		{"--disable-admission-plugins=x", `no admission plug-in "x"`},
	} {
		if _, err := parsed(t, tt.arg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.arg, err, tt.want)
		}
	}
	var o Options
	o.setDefaults()
	o.ClientCAFile = "/nonexistent/ca.crt"
	if err := o.Validate(); err == nil || !strings.Contains(err.Error(), "--client-ca-file: stat /nonexistent/ca.crt") {
		t.Errorf("a missing file: %v", err)
	}
}

func TestAdmissionNames(t *testing.T) {
	o, err := parsed(t, "--enable-admission-plugins=AlwaysPullImages", "--disable-admission-plugins=LimitRanger")
	if err != nil {
		t.Fatal(err)
	}
	got := o.admissionNames()
	if !slices.Contains(got, "AlwaysPullImages") || slices.Contains(got, "LimitRanger") {
		t.Errorf("chain %v", got)
	}
	if got[len(got)-1] != "ResourceQuota" {
		t.Errorf("quotas must count last, but the chain is %v", got)
	}
	if slices.Index(got, "MutatingAdmissionWebhook") > slices.Index(got, "ValidatingAdmissionWebhook") {
		t.Error("webhooks that change must come before those that refuse")
	}
}

func TestBuiltInAuditPolicy(t *testing.T) {
	p, err := policy.LoadPolicyFromBytes(auditpolicy.YAML)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range p.Rules {
		if r.Level != "None" && r.Level != "Metadata" {
			t.Errorf("rule %d logs bodies (%s), which may be Secrets", i, r.Level)
		}
	}
}

// TestAuditSeesEveryone: nobody reads a Secret or enters a container without a
// line, whatever the verb is called and whoever it is.
func TestAuditSeesEveryone(t *testing.T) {
	p, err := policy.LoadPolicyFromBytes(auditpolicy.YAML)
	if err != nil {
		t.Fatal(err)
	}
	rules := policy.NewPolicyRuleEvaluator(p)
	pod := &user.DefaultInfo{Name: "system:serviceaccount:default:web", Groups: []string{"system:serviceaccounts", "system:authenticated"}}
	agent := &user.DefaultInfo{Name: "system:node:node1", Groups: []string{"system:nodes", "system:authenticated"}}
	controllers := &user.DefaultInfo{Name: "system:kube-controller-manager", Groups: []string{"system:authenticated"}}
	for _, c := range []struct {
		who                 user.Info
		verb, resource, sub string
		want                audit.Level
	}{
		{pod, "get", "secrets", "", audit.LevelMetadata},
		{pod, "list", "secrets", "", audit.LevelMetadata},
		{pod, "watch", "secrets", "", audit.LevelMetadata},
		{agent, "get", "secrets", "", audit.LevelMetadata},
		{controllers, "watch", "secrets", "", audit.LevelMetadata},
		{pod, "get", "pods", "exec", audit.LevelMetadata},
		{pod, "create", "pods", "exec", audit.LevelMetadata},
		{pod, "get", "pods", "attach", audit.LevelMetadata},
		{pod, "get", "pods", "portforward", audit.LevelMetadata},
		{pod, "get", "nodes", "proxy", audit.LevelMetadata},
		{pod, "create", "serviceaccounts", "token", audit.LevelMetadata},
		{pod, "get", "pods", "", audit.LevelNone},
		{controllers, "watch", "pods", "", audit.LevelNone},
		{pod, "create", "pods", "", audit.LevelMetadata},
	} {
		got := rules.EvaluatePolicyRule(authorizer.AttributesRecord{
			User: c.who, Verb: c.verb, Namespace: "default", APIVersion: "v1", Resource: c.resource, Subresource: c.sub, ResourceRequest: true,
		})
		if got.Level != c.want {
			t.Errorf("%s: %s %s/%s is audited at %s, want %s", c.who.GetName(), c.verb, c.resource, c.sub, got.Level, c.want)
		}
	}
}

func TestGroupVersionOf(t *testing.T) {
	for path, want := range map[string]string{
		"/api/v1": "v1", "/apis/apps/v1": "apps/v1", "/apis/apps": "", "/apis": "", "/healthz/etcd": "", "/apis/a/b/c": "", "": "",
	} {
		gv, ok := groupVersionOf(path)
		if (want != "") != ok || gv.String() != want {
			t.Errorf("%s is %s, %v", path, gv, ok)
		}
	}
}

// Each controller's role is bound to our controllers' one identity.
func TestControllerBindings(t *testing.T) {
	for _, b := range controllerBindings() {
		found := false
		for _, s := range b.Subjects {
			found = found || s.Kind == "User" && s.Name == "system:kube-controller-manager"
		}
		if strings.HasPrefix(b.RoleRef.Name, "system:controller:") != found {
			t.Errorf("%s binds %v", b.Name, b.Subjects)
		}
	}
}
