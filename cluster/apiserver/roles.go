package apiserver

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes"
	"k8s.io/component-helpers/auth/rbac/reconciliation"
	rbacv1helpers "k8s.io/kubernetes/pkg/apis/rbac/v1"
	schedulingapiv1 "k8s.io/kubernetes/pkg/apis/scheduling/v1"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy"

	"noriter.dev/noriter/cluster/install/pki"
)

const (
	// bootstrapTimeout is how long making the default objects may take, and
	// bootstrapRetry the pause after a try that failed.
	bootstrapTimeout = 60 * time.Second
	bootstrapRetry   = 100 * time.Millisecond
	// bootstrapWriters write at once. etcd syncs the log once for all writes
	// that are waiting, so eight writers cost about as much disk as one.
	bootstrapWriters = 8
)

// untilDone tries until it works; at start, etcd or a cache may lag behind.
func untilDone(ctx context.Context, what string, try func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, bootstrapRetry, bootstrapTimeout, true, func(ctx context.Context) (bool, error) {
		last = try(ctx)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w (last: %w)", what, err, last)
	}
	return nil
}

// bootstrapPriorityClasses makes system-cluster-critical and
// system-node-critical.
func (a *assembly) bootstrapPriorityClasses(ctx genericapiserver.PostStartHookContext) error {
	return untilDone(ctx, "making the system priority classes", func(ctx context.Context) error {
		client := a.client.SchedulingV1().PriorityClasses()
		have, err := client.List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		names := map[string]bool{}
		for _, c := range have.Items {
			names[c.Name] = true
		}
		for _, c := range schedulingapiv1.SystemPriorityClasses() {
			if names[c.Name] {
				continue
			}
			if _, err := client.Create(ctx, c, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
				return err
			}
		}
		return nil
	})
}

// bootstrapRoles makes upstream's default roles and bindings, and gives back
// to existing ones what they lack; what was added to them stays. It reads all
// with four requests where upstream asks for each one by itself, so a restart
// costs next to nothing.
func (a *assembly) bootstrapRoles(ctx genericapiserver.PostStartHookContext) error {
	return untilDone(ctx, "making the default roles", func(ctx context.Context) error {
		have, err := listRoles(ctx, a.client)
		if err != nil {
			return err
		}
		writers, _ := errgroup.WithContext(ctx)
		writers.SetLimit(bootstrapWriters)
		for _, r := range append(bootstrappolicy.ClusterRoles(), bootstrappolicy.ControllerRoles()...) {
			writers.Go(func() error { return have.reconcileClusterRole(&r) })
		}
		for _, b := range slices.Concat(bootstrappolicy.ClusterRoleBindings(), controllerBindings(), identityBindings()) {
			writers.Go(func() error { return have.reconcileClusterRoleBinding(&b) })
		}
		for _, roles := range bootstrappolicy.NamespaceRoles() {
			for _, r := range roles {
				writers.Go(func() error { return have.reconcileRole(&r) })
			}
		}
		for _, bindings := range bootstrappolicy.NamespaceRoleBindings() {
			for _, b := range bindings {
				writers.Go(func() error { return have.reconcileRoleBinding(&b) })
			}
		}
		return writers.Wait()
	})
}

// identityBindings give the installed identities their rights: admin.conf's group,
// which is kubeadm's (cmd/kubeadm/app/phases/kubeconfig/kubeconfig.go), and the
// user that this server is to the agents.
func identityBindings() []rbacv1.ClusterRoleBinding {
	all := []rbacv1.ClusterRoleBinding{
		rbacv1helpers.NewClusterBinding("cluster-admin").Groups(pki.AdminGroup).BindingOrDie(),
		rbacv1helpers.NewClusterBinding("system:kubelet-api-admin").Users(pki.KubeletClient).BindingOrDie(),
	}
	// Upstream has bindings of the roles' names.
	all[0].Name, all[1].Name = pki.AdminGroup, pki.KubeletClient
	return all
}

// controllerBindings gives the controllers their rights. Upstream's manager
// uses a service account per controller, and a role for each; ours are one
// process with one identity, so each controller's role is bound to that user
// as well. The bindings to the service accounts stay, so that what is taught
// about them is true.
func controllerBindings() []rbacv1.ClusterRoleBinding {
	all := bootstrappolicy.ControllerRoleBindings()
	for i := range all {
		if strings.HasPrefix(all[i].RoleRef.Name, "system:controller:") {
			all[i].Subjects = append(all[i].Subjects, rbacv1.Subject{
				APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "system:kube-controller-manager",
			})
		}
	}
	return all
}

// rolesSeen are the roles and bindings that exist, read once, with the means
// to write more. Each of the four maps is by namespace and name.
type rolesSeen struct {
	client       kubernetes.Interface
	roles        map[string]reconciliation.RuleOwner
	clusterRoles map[string]reconciliation.RuleOwner
	bindings     map[string]reconciliation.RoleBinding
	clusterBinds map[string]reconciliation.RoleBinding
}

func listRoles(ctx context.Context, client kubernetes.Interface) (*rolesSeen, error) {
	s := &rolesSeen{
		client:       client,
		roles:        map[string]reconciliation.RuleOwner{},
		clusterRoles: map[string]reconciliation.RuleOwner{},
		bindings:     map[string]reconciliation.RoleBinding{},
		clusterBinds: map[string]reconciliation.RoleBinding{},
	}
	rbac, all := client.RbacV1(), metav1.ListOptions{}
	clusterRoles, err := rbac.ClusterRoles().List(ctx, all)
	if err != nil {
		return nil, err
	}
	for i := range clusterRoles.Items {
		r := &clusterRoles.Items[i]
		s.clusterRoles["/"+r.Name] = reconciliation.ClusterRoleRuleOwner{ClusterRole: r}
	}
	clusterBindings, err := rbac.ClusterRoleBindings().List(ctx, all)
	if err != nil {
		return nil, err
	}
	for i := range clusterBindings.Items {
		b := &clusterBindings.Items[i]
		s.clusterBinds["/"+b.Name] = reconciliation.ClusterRoleBindingAdapter{ClusterRoleBinding: b}
	}
	roles, err := rbac.Roles("").List(ctx, all)
	if err != nil {
		return nil, err
	}
	for i := range roles.Items {
		r := &roles.Items[i]
		s.roles[r.Namespace+"/"+r.Name] = reconciliation.RoleRuleOwner{Role: r}
	}
	bindings, err := rbac.RoleBindings("").List(ctx, all)
	if err != nil {
		return nil, err
	}
	for i := range bindings.Items {
		b := &bindings.Items[i]
		s.bindings[b.Namespace+"/"+b.Name] = reconciliation.RoleBindingAdapter{RoleBinding: b}
	}
	return s, nil
}
