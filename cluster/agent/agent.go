// Package agent is the node agent, the kubelet's role: it registers its machine as a
// Node, runs the pods bound to it through the container runtime, and serves what
// kubectl asks a node for.
//
// Run assembles the parts. Each is a package of its own:
//
//	pods        the worker of each pod: what runs, restarts, stops
//	podspec     pods translated for the runtime
//	runtime     the container runtime's side of it (CRI)
//	images      pulling images, with back-off, and removing them
//	prober      startup, liveness and readiness
//	status      the pod's status, generated and written
//	volumes     what is mounted into containers
//	node        the Node object: registration, lease, conditions
//	netsetup    the pod network of this node
//	server      logs, exec, attach, port-forward, stats
//
// Nothing that runs depends on the agent: it can be stopped and started again, and
// finds its pods by the labels on their containers.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
	criapi "k8s.io/cri-api/pkg/apis"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"golang.org/x/sync/errgroup"

	"noriter.dev/noriter/cluster/agent/images"
	"noriter.dev/noriter/cluster/agent/netsetup"
	"noriter.dev/noriter/cluster/agent/node"
	"noriter.dev/noriter/cluster/agent/node/machine"
	"noriter.dev/noriter/cluster/agent/pods"
	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/runtime"
	"noriter.dev/noriter/cluster/agent/server"
	"noriter.dev/noriter/cluster/agent/status"
	"noriter.dev/noriter/cluster/agent/volumes"
	"noriter.dev/noriter/cluster/component"
)

const (
	userAgent = "nori-agent"
	// component name of events, as upstream: `kubectl describe pod` shows it.
	eventSource = "kubelet"
)

// parts are what the agent is made of.
type parts struct {
	options  Options
	name     string
	client   kubernetes.Interface
	network  kubernetes.Interface
	runtime  criapi.RuntimeService
	images   criapi.ImageManagerService
	machine  machine.Machine
	memory   int64
	events   record.EventRecorder
	node     *node.Manager
	volumes  *volumes.Manager
	statuses *status.Manager
	pods     *pods.PodWorkers
	server   *server.Server
	rotator  *server.LogRotator
}

// Run is the agent until ctx ends, which leaves all containers running. It returns
// an error only if the agent can't work at all.
func Run(ctx context.Context, o Options) error {
	klog.SetSlogLogger(slog.Default()) // the libraries' logs join ours
	health, err := component.ServeHealth(ctx, o.HealthAddress)
	if err != nil {
		return err
	}
	defer health.Close()
	p, err := connect(ctx, o)
	if err != nil {
		return err
	}
	defer p.runtime.Close(context.WithoutCancel(ctx))
	defer p.images.Close(context.WithoutCancel(ctx))

	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	defer broadcaster.Shutdown()
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: p.client.CoreV1().Events("")})
	p.events = broadcaster.NewRecorder(scheme.Scheme, v1.EventSource{Component: eventSource, Host: p.name})

	if err := p.assemble(ctx); err != nil {
		return err
	}
	return p.run(ctx)
}

// connect reaches the API server's configuration, the runtime and the machine.
func connect(ctx context.Context, o Options) (*parts, error) {
	p := &parts{options: o}
	var err error
	if p.name, err = o.nodeName(); err != nil {
		return nil, err
	}
	for _, dir := range []string{o.RootDir, filepath.Join(o.RootDir, "pods"), o.PodLogDir, o.ContainerLogDir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("making the agent's directories: %w", err)
		}
	}
	if p.client, err = newClient(o.Kubeconfig); err != nil {
		return nil, err
	}
	if p.network, err = newClient(o.NetworkKubeconfig); err != nil {
		return nil, err
	}
	limit, err := bytesOf(o.CapacityMemory)
	if err != nil {
		return nil, fmt.Errorf("--capacity-memory: %w", err)
	}
	p.machine = machine.Machine{MemoryLimit: limit, CPULimit: o.CapacityCPU}
	memory, err := p.machine.Memory()
	if err != nil {
		return nil, fmt.Errorf("finding out how much memory the machine has: %w", err)
	}
	p.memory = memory.Total
	p.runtime, p.images, err = runtime.Dial(ctx, o.RuntimeEndpoint, o.StartTimeout)
	return p, err
}

func newClient(kubeconfig string) (kubernetes.Interface, error) {
	config, err := component.ClientConfig(kubeconfig, userAgent)
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client of %s: %w", kubeconfig, err)
	}
	return client, nil
}

// assemble makes the parts that depend on each other.
func (p *parts) assemble(ctx context.Context) error {
	o := &p.options
	taints, err := o.taints()
	if err != nil {
		return err
	}
	p.node, err = node.New(node.Config{
		Client: p.client, Name: p.name, IP: net.ParseIP(o.NodeIP), Labels: o.Labels, Taints: taints,
		Runtime: p.runtime, Images: p.images, Recorder: p.events, RootDir: o.RootDir,
		MaxPods: o.MaxPods, LeaseSeconds: o.LeaseSeconds, Machine: p.machine,
	})
	if err != nil {
		return err
	}
	p.volumes = volumes.New(volumes.Config{Client: p.client, RootDir: o.RootDir, Node: p.node.Node})
	p.statuses = status.NewManager(p.client.CoreV1())
	p.pods = pods.New(pods.Config{
		Node: &podspec.Node{
			RootDir: o.RootDir, LogDir: o.PodLogDir, ClusterDNS: o.ClusterDNS, ClusterDomain: o.ClusterDomain,
			ResolvConf: o.ResolvConf, CgroupRoot: o.CgroupRoot, SystemdCgroup: o.CgroupDriver == "systemd",
			SeccompDir: filepath.Join(o.RootDir, "seccomp"), SeccompDefault: o.SeccompDefault, MemoryBytes: p.memory, CPUs: o.CapacityCPU,
		},
		HostIPs: p.hostIPs, Allocatable: p.allocatable,
		Runtime: p.runtime, Images: images.NewManager(p.images, p.events, clock.RealClock{}),
		Statuses: p.statuses, Volumes: podVolumes{p.volumes}, Objects: newObjects(ctx, p.client, p.volumes.Objects()),
		Events: p.events, Clock: clock.RealClock{}, ContainerLogs: o.ContainerLogDir,
	})
	p.server, err = server.New(server.Config{
		Address: o.Address, CertFile: o.TLSCertFile, KeyFile: o.TLSKeyFile, CertDir: filepath.Join(o.RootDir, "pki"),
		ClientCAFile: o.ClientCAFile, NodeName: p.name, Client: p.client, Pods: p.pods,
		Runtime: p.runtime, Images: p.images, RootDir: o.RootDir,
	})
	if err != nil {
		return err
	}
	size, err := bytesOf(o.LogMaxSize)
	if err != nil {
		return fmt.Errorf("--container-log-max-size: %w", err)
	}
	p.rotator, err = server.NewLogRotator(p.runtime, size, o.LogMaxFiles)
	return err
}

// run lets all parts work until ctx ends or one of them can't go on.
func (p *parts) run(ctx context.Context) error {
	work, ctx := errgroup.WithContext(ctx)
	forever := func(f func(context.Context)) {
		work.Go(func() error { f(ctx); return nil })
	}
	work.Go(func() error { return named("the node", p.node.Run(ctx)) })
	work.Go(func() error {
		return named("the pod network", netsetup.Run(ctx, netsetup.Config{
			Client: p.network, NodeName: p.name, ConfDir: p.options.CNIConfDir, ClusterCIDR: p.options.ClusterCIDR,
		}))
	})
	work.Go(func() error { return named("the node's API", p.server.Run(ctx)) })
	forever(p.statuses.Run)
	forever(p.pods.Run)
	forever(p.volumes.Run)
	forever(p.rotator.Run)
	forever(func(ctx context.Context) { watchPods(ctx, p.client, p.name, p.pods) })
	if p.options.ImageGCHigh < 100 {
		policy := images.GCPolicy{High: p.options.ImageGCHigh, Low: p.options.ImageGCLow}
		forever(images.NewGCManager(p.name, p.options.RootDir, policy, p.runtime, p.images).Run)
	}
	if err := component.NotifyReady(); err != nil {
		slog.Warn("telling systemd", "error", err)
	}
	slog.Info("agent is running", "node", p.name)
	err := work.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func named(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// hostIPs are the node's addresses: the one given, or those it registered with.
func (p *parts) hostIPs() []string {
	if p.options.NodeIP != "" {
		return []string{p.options.NodeIP}
	}
	var ips []string
	if n := p.node.Node(); n != nil {
		for _, a := range n.Status.Addresses {
			if a.Type == v1.NodeInternalIP {
				ips = append(ips, a.Address)
			}
		}
	}
	return ips
}

// allocatable is what pods may use of the node.
func (p *parts) allocatable() v1.ResourceList {
	if n := p.node.Node(); n != nil {
		return n.Status.Allocatable
	}
	return nil
}
