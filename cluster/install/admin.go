package install

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"noriter.dev/noriter/cluster/install/pki"
	"noriter.dev/noriter/internal/lang"
)

// Regain looks at what became of a request by admin.conf. Where it was refused, it
// gives admin.conf its rights, so that the next try has them: a learner may have
// deleted the binding, and a snapshot may be of a time when admin.conf needed none.
// Only then is super-admin.conf used (EnsureAdminClusterRoleBinding in
// cmd/kubeadm/app/phases/kubeconfig/kubeconfig.go). The error stays one.
func (c *Cluster) Regain(ctx context.Context, err error) error {
	if !apierrors.IsForbidden(err) {
		return err
	}
	if again := c.bindAdmin(ctx); again != nil {
		return errors.Join(err, lang.Errorf("giving the administrator's rights back: %w", "관리자 권한 되돌리기: %w", again))
	}
	return err
}

// bindAdmin makes the binding as the super-administrator, if it is not as it should be.
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
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: pki.AdminGroup}},
	}
	have, err := bindings.Get(ctx, want.Name, metav1.GetOptions{})
	switch {
	case err == nil && have.RoleRef == want.RoleRef && slices.Contains(have.Subjects, want.Subjects[0]):
		return nil // the authorizer learns of it in a moment, or it was something else that was refused
	case err == nil:
		// What a binding refers to can't be changed.
		err = bindings.Delete(ctx, want.Name, metav1.DeleteOptions{})
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	_, err = bindings.Create(ctx, want, metav1.CreateOptions{})
	return err
}
