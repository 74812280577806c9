package apiserver

import (
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/component-helpers/auth/rbac/reconciliation"
)

// ownersSeen answers Get from what was listed; writes go to the server.
type ownersSeen struct {
	reconciliation.RuleOwnerModifier
	seen map[string]reconciliation.RuleOwner
	kind string
}

// Get finds a role among those listed.
func (o ownersSeen) Get(namespace, name string) (reconciliation.RuleOwner, error) {
	if r, ok := o.seen[namespace+"/"+name]; ok {
		return r, nil
	}
	return nil, apierrors.NewNotFound(rbacv1.Resource(o.kind), name)
}

// bindingsSeen is ownersSeen for bindings.
type bindingsSeen struct {
	reconciliation.RoleBindingModifier
	seen map[string]reconciliation.RoleBinding
	kind string
}

// Get finds a binding among those listed.
func (o bindingsSeen) Get(namespace, name string) (reconciliation.RoleBinding, error) {
	if b, ok := o.seen[namespace+"/"+name]; ok {
		return b, nil
	}
	return nil, apierrors.NewNotFound(rbacv1.Resource(o.kind), name)
}

func (s *rolesSeen) reconcileClusterRole(r *rbacv1.ClusterRole) error {
	return reconcileOwner(reconciliation.ClusterRoleRuleOwner{ClusterRole: r}, ownersSeen{
		reconciliation.ClusterRoleModifier{Client: s.client.RbacV1().ClusterRoles()}, s.clusterRoles, "clusterroles",
	})
}

func (s *rolesSeen) reconcileRole(r *rbacv1.Role) error {
	return reconcileOwner(reconciliation.RoleRuleOwner{Role: r}, ownersSeen{
		reconciliation.RoleModifier{Client: s.client.RbacV1(), NamespaceClient: s.client.CoreV1().Namespaces()}, s.roles, "roles",
	})
}

func (s *rolesSeen) reconcileClusterRoleBinding(b *rbacv1.ClusterRoleBinding) error {
	return reconcileBinding(reconciliation.ClusterRoleBindingAdapter{ClusterRoleBinding: b}, bindingsSeen{
		reconciliation.ClusterRoleBindingClientAdapter{Client: s.client.RbacV1().ClusterRoleBindings()}, s.clusterBinds, "clusterrolebindings",
	})
}

func (s *rolesSeen) reconcileRoleBinding(b *rbacv1.RoleBinding) error {
	return reconcileBinding(reconciliation.RoleBindingAdapter{RoleBinding: b}, bindingsSeen{
		reconciliation.RoleBindingClientAdapter{Client: s.client.RbacV1(), NamespaceClient: s.client.CoreV1().Namespaces()}, s.bindings, "rolebindings",
	})
}

func reconcileOwner(r reconciliation.RuleOwner, client reconciliation.RuleOwnerModifier) error {
	o := reconciliation.ReconcileRoleOptions{Role: r, Client: client, Confirm: true}
	if _, err := o.Run(); err != nil {
		return fmt.Errorf("role %s: %w", r.GetName(), err)
	}
	return nil
}

func reconcileBinding(b reconciliation.RoleBinding, client reconciliation.RoleBindingModifier) error {
	o := reconciliation.ReconcileRoleBindingOptions{RoleBinding: b, Client: client, Confirm: true}
	if _, err := o.Run(); err != nil {
		return fmt.Errorf("binding %s: %w", b.GetName(), err)
	}
	return nil
}
