package apiserver

import (
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/authorization/union"
	"k8s.io/kubernetes/pkg/auth/nodeidentifier"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/node"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy"
)

// setUpAuthorization says what a known user may do. Each authorizer allows or
// has no opinion; what none allows is forbidden.
func (a *assembly) setUpAuthorization() error {
	nodes, roles := a.nodeAuthorizer(), a.roleAuthorizer()
	all, err := union.New(
		// system:masters may do all, so that nobody can lock out the person
		// who holds super-admin.conf.
		union.NamedAuthorizer{
			AuthorizerName: "kubernetes.io/system-privileged-group",
			Authorizer:     authorizerfactory.NewPrivilegedGroups(user.SystemPrivilegedGroup),
		},
		union.NamedAuthorizer{AuthorizerName: "node", Authorizer: nodes},
		union.NamedAuthorizer{AuthorizerName: "rbac", Authorizer: roles},
	)
	if err != nil {
		return err
	}
	a.config.Authorization.Authorizer = all
	a.config.RuleResolver = union.NewRuleResolvers(nodes, roles)
	return nil
}

// nodeAuthorizer lets an agent read what the pods on its node refer to, and
// nothing of other nodes. It keeps a graph of who refers to what.
func (a *assembly) nodeAuthorizer() *node.NodeAuthorizer {
	core := a.informers.Core().V1()
	graph := node.NewGraph()
	node.AddGraphEventHandlers(graph,
		core.Nodes(), core.Pods(), core.PersistentVolumes(),
		a.informers.Storage().V1().VolumeAttachments(),
		a.informers.Resource().V1().ResourceSlices(),
		a.informers.Certificates().V1().PodCertificateRequests(),
	)
	return node.NewAuthorizer(graph, nodeidentifier.NewDefaultNodeIdentifier(), bootstrappolicy.NodeRules())
}

// roleAuthorizer allows what Roles and ClusterRoles grant through bindings.
func (a *assembly) roleAuthorizer() *rbac.RBACAuthorizer {
	r := a.informers.Rbac().V1()
	return rbac.New(
		&rbac.RoleGetter{Lister: r.Roles().Lister()},
		&rbac.RoleBindingLister{Lister: r.RoleBindings().Lister()},
		&rbac.ClusterRoleGetter{Lister: r.ClusterRoles().Lister()},
		&rbac.ClusterRoleBindingLister{Lister: r.ClusterRoleBindings().Lister()},
	)
}
