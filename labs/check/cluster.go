package check

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs"
	"noriter.dev/noriter/labs/expr"
)

// Cluster is what checks look at.
type Cluster struct {
	Dynamic dynamic.Interface
	Mapper  meta.RESTMapper
	// Reach gets into pods.
	Reach Reach
	// Nodes may be nil.
	Nodes labs.Nodes
	// Patience multiplies the checks' time limits, for slow machines; 0 is 1.
	Patience int

	// mu guards the mapper's reset.
	mu sync.Mutex
}

// Reach gets at what runs in pods, through the API server.
type Reach interface {
	// Exec runs a command in a container to its end.
	Exec(ctx context.Context, namespace, pod, container string, command []string) (Output, error)
	// Logs gives the last lines that a container printed.
	Logs(ctx context.Context, namespace, pod, container string, tail int, previous bool) (string, error)
	// Get asks a pod ("pods") or service ("services") for a page.
	Get(ctx context.Context, namespace, resource, name string, port int, path string) (Page, error)
}

// Output is what a command printed and how it ended.
type Output struct {
	Stdout, Stderr string
	Code           int
}

// outputVariables are what a command offers to expressions.
func outputVariables() []string { return []string{"stdout", "stderr", "code"} }

// in adds what a command printed to a scope.
func (o Output) in(base expr.Scope) expr.Scope {
	return base.With("stdout", o.Stdout).With("stderr", o.Stderr).With("code", o.Code)
}

// Page is an HTTP answer.
type Page struct {
	Code int
	Body string
}

// New connects to the cluster of an environment. Nothing is sent yet.
func New(env *labs.Env) (*Cluster, error) {
	config := rest.CopyConfig(env.Config)
	config.QPS, config.Burst = 100, 200 // a grader must not wait for its own rate limit
	config.Timeout = 0                  // watches last; every call has its own limit
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	reach, err := newReach(config)
	if err != nil {
		return nil, err
	}
	return &Cluster{
		Dynamic: client,
		Mapper:  restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(disco)),
		Reach:   reach,
		Nodes:   env.Nodes, Patience: env.Patience,
	}, nil
}

// Resource finds the resource of a kind, which may be given with its API
// version ("apps/v1") where the kind alone could mean several.
func (c *Cluster) Resource(kind, apiVersion string) (*meta.RESTMapping, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	mapping, err := c.mapping(kind, apiVersion)
	if meta.IsNoMatchError(err) {
		if r, ok := c.Mapper.(meta.ResettableRESTMapper); ok { // a CRD may have come since
			r.Reset()
			mapping, err = c.mapping(kind, apiVersion)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("finding the kind %s: %w", kind, err)
	}
	return mapping, nil
}

func (c *Cluster) mapping(kind, apiVersion string) (*meta.RESTMapping, error) {
	if apiVersion != "" {
		gv, err := schema.ParseGroupVersion(apiVersion)
		if err != nil {
			return nil, fmt.Errorf("API version %q: %w", apiVersion, err)
		}
		return c.Mapper.RESTMapping(gv.WithKind(kind).GroupKind(), gv.Version)
	}
	// The group isn't known: try those that learners meet, in this order.
	var first error
	for _, group := range []string{"", "apps", "batch", "networking.k8s.io", "rbac.authorization.k8s.io",
		"autoscaling", "discovery.k8s.io", "storage.k8s.io", "policy", "coordination.k8s.io"} {
		m, err := c.Mapper.RESTMapping(schema.GroupKind{Group: group, Kind: kind})
		if err == nil {
			return m, nil
		}
		if first == nil || !meta.IsNoMatchError(err) {
			first = err
		}
	}
	return nil, first
}

// client gives access to the objects of a kind; the namespace is left out for
// kinds that have none.
func (c *Cluster) client(m *meta.RESTMapping, namespace string) dynamic.ResourceInterface {
	if m.Scope.Name() == meta.RESTScopeNameRoot {
		return c.Dynamic.Resource(m.Resource)
	}
	return c.Dynamic.Resource(m.Resource).Namespace(namespace)
}

// Get reads one live object; nil means that it isn't there.
func (c *Cluster) Get(ctx context.Context, kind, apiVersion, namespace, name string) (*unstructured.Unstructured, error) {
	m, err := c.Resource(kind, apiVersion)
	if err != nil {
		return nil, err
	}
	obj, err := c.client(m, namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", strings.ToLower(kind), name, err)
	}
	return obj, nil
}

// need is Get for an object that a check can't do without.
func (c *Cluster) need(ctx context.Context, kind, apiVersion, namespace, name string) (*unstructured.Unstructured, error) {
	obj, err := c.Get(ctx, kind, apiVersion, namespace, name)
	if err == nil && obj == nil {
		err = missing(lang.Textf("there is no %[1]s named %[2]s in namespace %[3]s",
			"네임스페이스 %[3]s에 이름이 %[2]s인 %[1]s이(가) 없습니다", kindName(kind), name, namespace))
	}
	return obj, err
}

// pod sees that a pod is there before something is asked of it, so that the
// message is about the pod and not about HTTP.
func (c *Cluster) pod(ctx context.Context, s *Scope, name string) (*unstructured.Unstructured, error) {
	return c.need(ctx, "Pod", "v1", s.Namespace, name)
}

// List reads the live objects of a kind, in order of their names.
func (c *Cluster) List(ctx context.Context, kind, apiVersion, namespace, selector string) ([]unstructured.Unstructured, error) {
	m, err := c.Resource(kind, apiVersion)
	if err != nil {
		return nil, err
	}
	list, err := c.client(m, namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", m.Resource.Resource, err)
	}
	sort.Slice(list.Items, func(i, j int) bool { return list.Items[i].GetName() < list.Items[j].GetName() })
	return list.Items, nil
}

// Delete deletes one object, if it is still the one with this UID.
func (c *Cluster) Delete(ctx context.Context, kind, apiVersion string, obj *unstructured.Unstructured) error {
	m, err := c.Resource(kind, apiVersion)
	if err != nil {
		return err
	}
	uid := obj.GetUID()
	options := metav1.DeleteOptions{}
	if uid != "" {
		options.Preconditions = &metav1.Preconditions{UID: &uid}
	}
	err = c.client(m, obj.GetNamespace()).Delete(ctx, obj.GetName(), options)
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting %s %s: %w", strings.ToLower(kind), obj.GetName(), err)
	}
	return nil
}

// contents gives the maps behind objects, as expressions see them.
func contents(items []unstructured.Unstructured) []any {
	out := make([]any, len(items))
	for i := range items {
		out[i] = items[i].Object
	}
	return out
}

// pollInterval is how often a wait looks again.
const pollInterval = 200 * time.Millisecond
