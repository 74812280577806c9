package node

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"runtime"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/component-base/version"

	"noriter.dev/noriter/cluster/backoff"
)

// The pauses between attempts to register double from the first to the last, as in
// registerWithAPIServer upstream.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 7 * time.Second
)

// attachDetach says that volumes are attached by a controller, not by the node;
// every node of Kubernetes carries it.
const attachDetach = "volumes.kubernetes.io/controller-managed-attach-detach"

// registerWithAPIServer makes the Node object exist, trying until ctx is done
// (registerWithAPIServer in pkg/kubelet/kubelet_node_status.go). A node and its API server
// may start in any order.
func (m *Manager) registerWithAPIServer(ctx context.Context) error {
	pause := backoff.Pause{First: firstPause, Most: lastPause}
	for {
		err := m.tryRegisterWithAPIServer(ctx)
		if err == nil {
			return nil
		}
		next := pause.Next()
		slog.Warn("registering the node failed, will try again", "node", m.cfg.Name, "in", next, "error", err)
		if backoff.Wait(ctx, m.cfg.Clock, next) != nil {
			return fmt.Errorf("waiting for the API server to accept node %s: %w (last: %w)", m.cfg.Name, context.Cause(ctx), err)
		}
	}
}

// tryRegisterWithAPIServer creates the Node, or takes the one that is there and gives it
// the labels it should have. Taints are not given to one that is there: an administrator
// may have taken them off.
func (m *Manager) tryRegisterWithAPIServer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	nodes := m.cfg.Client.CoreV1().Nodes()
	node := m.initialNode(ctx)
	made, err := nodes.Create(ctx, node, metav1.CreateOptions{})
	if err == nil {
		slog.Info("registered the node", "node", m.cfg.Name)
		m.set(made)
		m.event(v1.EventTypeNormal, "Starting", "Starting kubelet.")
		m.recordConditionEvents(&v1.Node{}, made)
		return nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating the Node: %w", err)
	}
	have, err := nodes.Get(ctx, m.cfg.Name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("getting the Node that is there already: %w", err)
	}
	if patch := labelPatch(have.Labels, node.Labels); patch != nil {
		have, err = nodes.Patch(ctx, m.cfg.Name, types.MergePatchType, patch, metav1.PatchOptions{})
		if err != nil {
			return fmt.Errorf("setting the labels of the Node: %w", err)
		}
	}
	m.set(have)
	if m.lastReport.IsZero() {
		m.event(v1.EventTypeNormal, "Starting", "Starting kubelet.")
	}
	return nil
}

// initialNode is the Node as it is created.
func (m *Manager) initialNode(ctx context.Context) *v1.Node {
	node := &v1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name:        m.cfg.Name,
			Labels:      m.labels(),
			Annotations: map[string]string{attachDetach: "true"},
		},
		Spec: v1.NodeSpec{Taints: m.cfg.Taints},
	}
	m.setNodeStatus(ctx, node)
	return node
}

// labels are those every node has, and those configured.
func (m *Manager) labels() map[string]string {
	labels := map[string]string{
		v1.LabelHostname:          m.cfg.Name,
		v1.LabelOSStable:          runtime.GOOS,
		v1.LabelArchStable:        runtime.GOARCH,
		"beta.kubernetes.io/os":   runtime.GOOS,
		"beta.kubernetes.io/arch": runtime.GOARCH,
	}
	maps.Copy(labels, m.cfg.Labels)
	return labels
}

// labelPatch is the merge patch that makes have contain want, or nil.
func labelPatch(have, want map[string]string) []byte {
	diff := map[string]string{}
	for k, v := range want {
		if now, ok := have[k]; !ok || now != v {
			diff[k] = v
		}
	}
	if len(diff) == 0 {
		return nil
	}
	// Maps of strings can always be encoded.
	patch, _ := json.Marshal(map[string]any{"metadata": map[string]any{"labels": diff}})
	return patch
}

// watch follows the Node object: others change its spec, and somebody may delete it.
func (m *Manager) watch(ctx context.Context) {
	only := fields.OneTermEqualSelector("metadata.name", m.cfg.Name).String()
	nodes := m.cfg.Client.CoreV1().Nodes()
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (k8sruntime.Object, error) {
			o.FieldSelector = only
			return nodes.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector = only
			return nodes.Watch(ctx, o)
		},
	}
	_, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: cache.ToListWatcherWithWatchListSemantics(source, m.cfg.Client),
		ObjectType:    &v1.Node{},
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    m.seen,
			UpdateFunc: func(_, obj any) { m.seen(obj) },
			DeleteFunc: func(any) { m.lost() },
		},
	})
	informer.RunWithContext(ctx)
}

// seen takes a Node that the watch brought. Most of what it brings is the agent's own
// report, which is nothing to look into.
func (m *Manager) seen(obj any) {
	node, ok := obj.(*v1.Node)
	if !ok || node.Name != m.cfg.Name {
		return
	}
	old := m.Node()
	m.set(node)
	if old == nil || old.Spec.Unschedulable != node.Spec.Unschedulable || !equalStatus(&old.Status, &node.Status) {
		// Somebody else spoke for this node, or to it.
		m.Refresh()
	}
}

// lost notes that the Node object was deleted. It is not made again at once: whoever
// removes a node deletes the object first and stops the agent a moment later.
func (m *Manager) lost() {
	at := m.cfg.Clock.Now()
	m.deleted.Store(&at)
	slog.Warn("somebody deleted the Node object; it is registered again at the next heartbeat", "node", m.cfg.Name, "in", m.leasePeriod())
}

// set keeps a newer Node.
func (m *Manager) set(node *v1.Node) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if have := m.node.Load(); have != nil && have.UID == node.UID && newer(have, node) {
		return
	}
	m.deleted.Store(nil)
	m.node.Store(node)
}

// newer reports whether a is a later state than b of the same object.
func newer(a, b *v1.Node) bool {
	order, err := resourceversion.CompareResourceVersion(a.ResourceVersion, b.ResourceVersion)
	return err == nil && order > 0
}

// defaultIP is the address of the interface with the default route.
func defaultIP() (net.IP, error) {
	ip, err := utilnet.ChooseHostInterface()
	if err != nil {
		return nil, fmt.Errorf("finding the node's address (give it with --node-ip): %w", err)
	}
	return ip, nil
}

// supported is the version of Kubernetes whose behaviour this agent has.
const supported = "v1.37.0"

// libraryVersion is the version that was linked in, where the build says so.
func libraryVersion() string {
	if v := version.Get().GitVersion; v != "" && !strings.HasPrefix(v, "v0.0.0") {
		return v
	}
	return supported
}
