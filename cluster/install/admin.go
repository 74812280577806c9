package install

import (
	"context"
	"path/filepath"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"noriter.dev/noriter/cluster/install/pki"
	"noriter.dev/noriter/internal/lang"
)

// adminRole is what the administrator is bound to.
const adminRole = "cluster-admin"

// ensureAdmin gives admin.conf its rights back where it has none: a learner may
// have deleted the binding, and a snapshot may be of a time when admin.conf
// needed none. Only then is super-admin.conf used (EnsureAdminClusterRoleBinding
// in cmd/kubeadm/app/phases/kubeconfig/kubeconfig.go).
func (c *Cluster) ensureAdmin(ctx context.Context) error {
	admin, err := c.client()
	if err != nil {
		return err
	}
	return poll(ctx, lang.Text{EN: "the administrator's rights", KO: "관리자의 권한"}, func() (bool, string) {
		// Looking at one's own binding is the shortest question that only one may
		// ask who has rights.
		have, err := admin.RbacV1().ClusterRoleBindings().Get(ctx, pki.AdminGroup, metav1.GetOptions{})
		if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || err == nil && have.RoleRef.Name != adminRole {
			err = c.bindAdmin(ctx)
		}
		if err != nil {
			return false, err.Error()
		}
		return true, ""
	})
}

// bindAdmin makes the binding as the super-administrator.
func (c *Cluster) bindAdmin(ctx context.Context) error {
	cfg, err := c.restConfig(filepath.Join(c.pkiDir(), pki.SuperAdminConf))
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return err
	}
	bindings := client.RbacV1().ClusterRoleBindings()
	want := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: pki.AdminGroup},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: adminRole},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: pki.AdminGroup}},
	}
	// One that is there and gives no rights is another one's: what it refers to
	// can't be changed.
	if err := bindings.Delete(ctx, want.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	_, err = bindings.Create(ctx, want, metav1.CreateOptions{})
	return err
}
