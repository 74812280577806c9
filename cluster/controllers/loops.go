package controllers

import (
	"context"
	"net/netip"

	"noriter.dev/noriter/cluster/controllers/daemonset"
	"noriter.dev/noriter/cluster/controllers/deployment"
	"noriter.dev/noriter/cluster/controllers/endpointslice"
	"noriter.dev/noriter/cluster/controllers/nodeipam"
	"noriter.dev/noriter/cluster/controllers/nodelifecycle"
	"noriter.dev/noriter/cluster/controllers/podgc"
	"noriter.dev/noriter/cluster/controllers/replicaset"
	"noriter.dev/noriter/cluster/controllers/tainteviction"
)

// entry is one loop: its name, what it is called for short, and how to make it.
type entry struct {
	name, alias string
	// make prepares the loop and asks for the informers it needs. What it returns is
	// called when these have been filled, and works until ctx ends.
	make func(ctx context.Context, w *workshop) (func(ctx context.Context) error, error)
}

// loops are all of them, under upstream's names. The first group is what this
// project teaches; the second is upstream's code.
var loops []entry

func init() { // not in the declaration, which would refer to itself through Names
	loops = []entry{
		{"node-ipam-controller", "nodeipam", makeNodeIPAM}, // first: new nodes wait for it
		{"node-lifecycle-controller", "nodelifecycle", makeNodeLifecycle},
		{"taint-eviction-controller", "taint-eviction-controller", makeTaintEviction},
		{"replicaset-controller", "replicaset", makeReplicaSets},
		{"replicationcontroller-controller", "replicationcontroller", makeReplicationControllers},
		{"deployment-controller", "deployment", makeDeployments},
		{"daemonset-controller", "daemonset", makeDaemonSets},
		{"endpointslice-controller", "endpointslice", makeEndpointSlices},
		{"pod-garbage-collector-controller", "podgc", makePodGC},

		{"serviceaccount-controller", "serviceaccount", makeServiceAccounts},
		{"serviceaccount-token-controller", "serviceaccount-token", makeServiceAccountTokens},
		{"root-ca-certificate-publisher-controller", "root-ca-cert-publisher", makeRootCA},
		{"namespace-controller", "namespace", makeNamespaces},
		{"endpoints-controller", "endpoint", makeEndpoints},
		{"endpointslice-mirroring-controller", "endpointslicemirroring", makeEndpointSliceMirrors},
		{"clusterrole-aggregation-controller", "clusterrole-aggregation", makeClusterRoles},
		{"ttl-after-finished-controller", "ttl-after-finished", makeTTLAfterFinished},
		{"persistentvolumeclaim-protection-controller", "pvc-protection", makeClaimProtection},
		{"persistentvolume-protection-controller", "pv-protection", makeVolumeProtection},
		{"volumeattributesclass-protection-controller", "vac-protection", makeVolumeClassProtection},
		{"resourcequota-controller", "resourcequota", makeResourceQuota},
		{"garbage-collector-controller", "garbagecollector", makeGarbageCollector},
	}
}

// Names are the loops' names.
func Names() []string {
	names := make([]string, len(loops))
	for i, l := range loops {
		names[i] = l.name
	}
	return names
}

// canonical turns a short name into the full one.
func canonical(name string) string {
	for _, l := range loops {
		if l.alias == name {
			return l.name
		}
	}
	return name
}

// How many objects of a kind are worked on at once.
const workers = 5

func makeNodeIPAM(_ context.Context, w *workshop) (func(context.Context) error, error) {
	cluster, err := netip.ParsePrefix(w.options.ClusterCIDR)
	if err != nil {
		return nil, err
	}
	services, err := netip.ParsePrefix(w.options.ServiceCIDR)
	if err != nil {
		return nil, err
	}
	c, err := nodeipam.New(w.client, w.typed, w.events("cidrAllocator"), w.clock, cluster, w.options.NodeCIDRMaskSize, services)
	if err != nil {
		return nil, err
	}
	return c.Run, nil
}

func makeNodeLifecycle(_ context.Context, w *workshop) (func(context.Context) error, error) {
	c, err := nodelifecycle.New(w.client, w.typed, w.leases, nodelifecycle.Config{
		GracePeriod: w.options.NodeMonitorGracePeriod, Period: w.options.NodeMonitorPeriod,
	}, w.events("node-controller"), w.clock)
	if err != nil {
		return nil, err
	}
	return withWorkers(c.Run), nil
}

func makeTaintEviction(_ context.Context, w *workshop) (func(context.Context) error, error) {
	c, err := tainteviction.New(w.client, w.typed, w.events("taint-eviction-controller"), w.clock)
	if err != nil {
		return nil, err
	}
	return withWorkers(c.Run), nil
}

func makeReplicaSets(_ context.Context, w *workshop) (func(context.Context) error, error) {
	c, err := replicaset.New(w.client, w.typed, w.events("replicaset-controller"), w.clock)
	if err != nil {
		return nil, err
	}
	return withWorkers(c.Run), nil
}

func makeReplicationControllers(_ context.Context, w *workshop) (func(context.Context) error, error) {
	c, err := replicaset.NewForReplicationControllers(w.client, w.typed, w.events("replication-controller"), w.clock)
	if err != nil {
		return nil, err
	}
	return withWorkers(c.Run), nil
}

func makeDeployments(_ context.Context, w *workshop) (func(context.Context) error, error) {
	c, err := deployment.New(w.client, w.typed, w.events("deployment-controller"), w.clock)
	if err != nil {
		return nil, err
	}
	return withWorkers(c.Run), nil
}

func makeDaemonSets(_ context.Context, w *workshop) (func(context.Context) error, error) {
	c, err := daemonset.New(w.client, w.typed, w.events("daemonset-controller"), w.clock)
	if err != nil {
		return nil, err
	}
	return withWorkers(c.Run), nil
}

func makeEndpointSlices(_ context.Context, w *workshop) (func(context.Context) error, error) {
	c, err := endpointslice.New(w.client, w.typed, w.events("endpoint-slice-controller"), w.clock)
	if err != nil {
		return nil, err
	}
	return withWorkers(c.Run), nil
}

func makePodGC(_ context.Context, w *workshop) (func(context.Context) error, error) {
	return plain(podgc.New(w.client, w.typed, w.clock, w.options.TerminatedPodGCThreshold).Run), nil
}

func plain(run func(context.Context)) func(context.Context) error {
	return func(ctx context.Context) error { run(ctx); return nil }
}

func withWorkers(run func(context.Context, int)) func(context.Context) error {
	return func(ctx context.Context) error { run(ctx, workers); return nil }
}
