package controllers

import (
	"context"
	"net/netip"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/controllers/daemonset"
	"noriter.dev/noriter/cluster/controllers/deployment"
	"noriter.dev/noriter/cluster/controllers/endpointslice"
	"noriter.dev/noriter/cluster/controllers/nodeipam"
	"noriter.dev/noriter/cluster/controllers/nodelifecycle"
	"noriter.dev/noriter/cluster/controllers/podgc"
	"noriter.dev/noriter/cluster/controllers/replicaset"
	"noriter.dev/noriter/cluster/controllers/tainteviction"
)

// descriptor is all that is to be said about one loop (upstream's ControllerDescriptor,
// cmd/kube-controller-manager/app/controller_descriptor.go).
type descriptor struct {
	// name and alias are how --controllers spells it, there and here. alias is its former
	// name, "" if it has none.
	name, alias string
	make        constructor
	// reads are the kinds of which it reads whole objects, as "resource.group" with a
	// space between them. They are held in one cache for all loops; of kinds that nobody
	// reads whole, only the metadata is held.
	reads string
}

// constructor prepares a loop and asks for the informers that it needs. What it returns
// is called when these have been filled, and works until its ctx ends. What the first ctx
// is for are goroutines that upstream's constructors start.
type constructor func(ctx context.Context, c *controllerContext) (run, error)

type run func(ctx context.Context) error

// descriptors are all loops. The first group is what this project teaches; the second is
// upstream's code.
var descriptors = []descriptor{
	// The first, because new nodes wait for it.
	{"node-ipam-controller", "nodeipam", makeNodeIPAM, "nodes"},
	{"node-lifecycle-controller", "nodelifecycle", makeNodeLifecycle, "nodes pods"},
	{"taint-eviction-controller", "", ours(tainteviction.New, "taint-eviction-controller"), "nodes pods"},
	{"replicaset-controller", "replicaset", ours(replicaset.New, "replicaset-controller"), "replicasets.apps pods"},
	{"replicationcontroller-controller", "replicationcontroller", ours(replicaset.NewForReplicationControllers, "replication-controller"), "replicationcontrollers pods"},
	{"deployment-controller", "deployment", ours(deployment.New, "deployment-controller"), "deployments.apps replicasets.apps pods"},
	{"daemonset-controller", "daemonset", ours(daemonset.New, "daemonset-controller"), "daemonsets.apps controllerrevisions.apps pods nodes"},
	{"endpointslice-controller", "endpointslice", ours(endpointslice.New, "endpoint-slice-controller"), "services pods nodes endpointslices.discovery.k8s.io"},
	{"pod-garbage-collector-controller", "podgc", makePodGC, "pods nodes"},

	{"serviceaccount-controller", "serviceaccount", makeServiceAccounts, "serviceaccounts namespaces"},
	{"serviceaccount-token-controller", "serviceaccount-token", makeServiceAccountTokens, "serviceaccounts"},
	{"root-ca-certificate-publisher-controller", "root-ca-cert-publisher", makeRootCA, "namespaces"},
	{"namespace-controller", "namespace", makeNamespaces, "namespaces"},
	{"endpoints-controller", "endpoint", makeEndpoints, "services endpoints pods"},
	{"endpointslice-mirroring-controller", "endpointslicemirroring", makeEndpointSliceMirrors, "services endpoints endpointslices.discovery.k8s.io"},
	{"clusterrole-aggregation-controller", "clusterrole-aggregation", makeClusterRoles, "clusterroles.rbac.authorization.k8s.io"},
	{"ttl-after-finished-controller", "ttl-after-finished", makeTTLAfterFinished, "jobs.batch"},
	{"persistentvolumeclaim-protection-controller", "pvc-protection", makeClaimProtection, "persistentvolumeclaims pods"},
	{"persistentvolume-protection-controller", "pv-protection", makeVolumeProtection, "persistentvolumes"},
	{"volumeattributesclass-protection-controller", "", makeVolumeClassProtection, "volumeattributesclasses.storage.k8s.io persistentvolumeclaims persistentvolumes"},
	{"resourcequota-controller", "resourcequota", makeResourceQuota, "resourcequotas " + quotaCounts},
	{"garbage-collector-controller", "garbagecollector", makeGarbageCollector, ""},
}

// Names are the loops' names.
func Names() []string {
	names := make([]string, len(descriptors))
	for i, d := range descriptors {
		names[i] = d.name
	}
	return names
}

// canonical turns a former name into the present one.
func canonical(name string) string {
	for _, d := range descriptors {
		if d.alias != "" && d.alias == name {
			return d.name
		}
	}
	return name
}

// readWhole are the kinds that some loop reads whole, whether it runs or not.
func readWhole() map[schema.GroupResource]bool {
	kinds := map[schema.GroupResource]bool{}
	for _, d := range descriptors {
		for _, resource := range strings.Fields(d.reads) {
			kinds[schema.ParseGroupResource(resource)] = true
		}
	}
	return kinds
}

// workers is how many objects of a kind are worked on at once. 5 is
// kube-controller-manager's default for --concurrent-deployment-syncs,
// --concurrent-replicaset-syncs and most flags of that form.
const workers = 5

// ours makes a constructor from a New of ours, which all have the same arguments. source
// is the component that the loop's events name, in upstream's spelling.
func ours[C interface{ Run(context.Context, int) }](
	newLoop func(kubernetes.Interface, informers.SharedInformerFactory, record.EventRecorder, clock.WithTicker) (C, error), source string) constructor {
	return func(_ context.Context, c *controllerContext) (run, error) {
		l, err := newLoop(c.client, c.typed, c.events(source), c.clock)
		if err != nil {
			return nil, err
		}
		return withWorkers(workers, l.Run), nil
	}
}

func withWorkers(count int, run func(context.Context, int)) run {
	return func(ctx context.Context) error { run(ctx, count); return nil }
}

// The rest are constructors of ours with more arguments.

func makeNodeIPAM(_ context.Context, c *controllerContext) (run, error) {
	cluster, err := netip.ParsePrefix(c.options.ClusterCIDR)
	if err != nil {
		return nil, err
	}
	services, err := netip.ParsePrefix(c.options.ServiceCIDR)
	if err != nil {
		return nil, err
	}
	l, err := nodeipam.New(c.client, c.typed, c.events("cidrAllocator"), c.clock, cluster, c.options.NodeCIDRMaskSize, services)
	if err != nil {
		return nil, err
	}
	return l.Run, nil
}

func makeNodeLifecycle(_ context.Context, c *controllerContext) (run, error) {
	config := nodelifecycle.Config{GracePeriod: c.options.NodeMonitorGracePeriod, StartupGracePeriod: c.options.NodeStartupGracePeriod, Period: c.options.NodeMonitorPeriod}
	l, err := nodelifecycle.New(c.client, c.typed, c.leases, config, c.events("node-controller"), c.clock)
	if err != nil {
		return nil, err
	}
	return withWorkers(workers, l.Run), nil
}

func makePodGC(_ context.Context, c *controllerContext) (run, error) {
	l := podgc.New(c.client, c.typed, c.clock, c.options.TerminatedPodGCThreshold)
	return func(ctx context.Context) error { l.Run(ctx); return nil }, nil
}
