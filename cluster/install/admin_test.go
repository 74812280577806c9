package install

import (
	"context"
	"errors"
	"net"
	"net/url"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"noriter.dev/noriter/cluster/apiserver/apiservertest"
	"noriter.dev/noriter/cluster/install/pki"
	"noriter.dev/noriter/internal/lang"
)

// TestRegain takes the administrator's rights away, as a learner can.
func TestRegain(t *testing.T) {
	server := apiservertest.StartForTest(t)
	u, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{Name: "test", Dir: server.Dir, Nodes: []Node{{Name: "control"}}, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, u.Host)
	}}
	admin, err := c.client()
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := c.restConfig(server.Dir + "/pki/" + pki.SuperAdminConf)
	if err != nil {
		t.Fatal(err)
	}
	super, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	nodes := func() error {
		_, err := admin.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
		return err
	}
	for what, left := range map[string]*rbacv1.ClusterRoleBinding{
		"deleted": nil,
		"of another role": {
			ObjectMeta: metav1.ObjectMeta{Name: pki.AdminGroup}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: pki.AdminGroup}},
		},
	} {
		bindings := super.RbacV1().ClusterRoleBindings()
		if err := bindings.Delete(t.Context(), pki.AdminGroup, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		if left != nil {
			if _, err := bindings.Create(t.Context(), left, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		var refused error
		for deadline := time.Now().Add(time.Minute); !apierrors.IsForbidden(refused); time.Sleep(10 * time.Millisecond) {
			if refused = nodes(); time.Now().After(deadline) {
				t.Fatalf("%s: the administrator still has all rights", what)
			}
		}
		// Twice: what is mended already is left alone.
		for range 2 {
			if err := c.Regain(t.Context(), lang.Errorf("listing: %w", "목록: %w", refused)); !errors.Is(err, refused) || err.Error() != "listing: "+refused.Error() {
				t.Fatalf("%s: %v", what, err)
			}
		}
		// Who may is known from a watch, a moment later.
		for deadline := time.Now().Add(time.Minute); nodes() != nil; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %v", what, nodes())
			}
		}
	}
}
