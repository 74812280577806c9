package volumes

import (
	"context"
	"fmt"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
)

// objectTimeout bounds one read of a ConfigMap, a Secret or a claim.
const objectTimeout = 15 * time.Second

// Objects reads ConfigMaps and Secrets by name (the managers of pkg/kubelet/configmap and
// pkg/kubelet/secret do so by watching each). Readers of the same object share
// requests, yet none is answered by a request that was on its way before it
// asked: whoever changes a ConfigMap and then makes a pod finds the change in the
// pod, and sixty pods that start together cost a handful of requests.
type Objects struct {
	client  kubernetes.Interface
	mu      sync.Mutex
	flights map[string]*flight
}

// flight is the request under way for one object, and the one that follows it.
type flight struct{ now, next *fetch }

type fetch struct {
	done  chan struct{}
	value any
	err   error
}

// newObjects makes a reader over a client.
func newObjects(client kubernetes.Interface) *Objects {
	return &Objects{client: client, flights: map[string]*flight{}}
}

// ConfigMap reads one ConfigMap; the error is the API's (see apierrors.IsNotFound).
func (o *Objects) ConfigMap(ctx context.Context, namespace, name string) (*v1.ConfigMap, error) {
	got, err := o.get(ctx, "configmap "+namespace+"/"+name, func(ctx context.Context) (any, error) {
		return o.client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
	})
	if err != nil {
		return nil, inWords(err, "configmap", name)
	}
	return got.(*v1.ConfigMap), nil
}

// Secret reads one Secret; the error is the API's (see apierrors.IsNotFound).
func (o *Objects) Secret(ctx context.Context, namespace, name string) (*v1.Secret, error) {
	got, err := o.get(ctx, "secret "+namespace+"/"+name, func(ctx context.Context) (any, error) {
		return o.client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	})
	if err != nil {
		return nil, inWords(err, "secret", name)
	}
	return got.(*v1.Secret), nil
}

// inWords makes of a missing object what events and waiting containers say of it:
// the kubelet names the kind, not the resource.
func inWords(err error, kind, name string) error {
	if apierrors.IsNotFound(err) {
		return apierrors.NewNotFound(schema.GroupResource{Resource: kind}, name)
	}
	return err
}

func (o *Objects) get(ctx context.Context, key string, read func(context.Context) (any, error)) (any, error) {
	f := o.join(key, read)
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the API server to send %s: %w", key, context.Cause(ctx))
	}
}

// join starts a request, or queues for the one after that under way.
func (o *Objects) join(key string, read func(context.Context) (any, error)) *fetch {
	o.mu.Lock()
	defer o.mu.Unlock()
	f, busy := o.flights[key]
	if busy {
		if f.next == nil {
			f.next = &fetch{done: make(chan struct{})}
		}
		return f.next
	}
	f = &flight{now: &fetch{done: make(chan struct{})}}
	o.flights[key] = f
	go o.fly(key, f, read)
	return f.now
}

// fly does the requests of one object until nobody queues any more.
func (o *Objects) fly(key string, f *flight, read func(context.Context) (any, error)) {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), objectTimeout)
		f.now.value, f.now.err = read(ctx)
		cancel()
		close(f.now.done)
		o.mu.Lock()
		f.now, f.next = f.next, nil
		if f.now == nil {
			delete(o.flights, key)
			o.mu.Unlock()
			return
		}
		o.mu.Unlock()
	}
}
