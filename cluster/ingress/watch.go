package ingress

import (
	"context"
	"errors"
	"fmt"

	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/cache"

	"noriter.dev/noriter/cluster/component"
)

// watcher keeps a copy of what configurations are made from.
type watcher struct {
	// changed has room for one word: that something did.
	changed   chan struct{}
	ingresses networkinglisters.IngressLister
	classes   networkinglisters.IngressClassLister
	services  corelisters.ServiceLister
	slices    discoverylisters.EndpointSliceLister
	secrets   corelisters.SecretLister
	pods      corelisters.PodLister // of our own namespace
}

// newWatcher starts watching and returns when all copies are complete.
func newWatcher(ctx context.Context, client kubernetes.Interface, namespace string) (*watcher, error) {
	all := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(component.Slim))
	own := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(component.Slim), informers.WithNamespace(namespace))
	w := &watcher{
		changed:   make(chan struct{}, 1),
		ingresses: all.Networking().V1().Ingresses().Lister(),
		classes:   all.Networking().V1().IngressClasses().Lister(),
		services:  all.Core().V1().Services().Lister(),
		slices:    all.Discovery().V1().EndpointSlices().Lister(),
		secrets:   all.Core().V1().Secrets().Lister(),
		pods:      own.Core().V1().Pods().Lister(),
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { w.noteChange() },
		UpdateFunc: func(_, _ any) { w.noteChange() },
		DeleteFunc: func(any) { w.noteChange() },
	}
	for _, i := range []cache.SharedIndexInformer{
		all.Networking().V1().Ingresses().Informer(), all.Networking().V1().IngressClasses().Informer(),
		all.Core().V1().Services().Informer(), all.Discovery().V1().EndpointSlices().Informer(),
		all.Core().V1().Secrets().Informer(), own.Core().V1().Pods().Informer(),
	} {
		if _, err := i.AddEventHandler(handler); err != nil {
			return nil, fmt.Errorf("watching the API: %w", err)
		}
	}
	for _, f := range []informers.SharedInformerFactory{all, own} {
		f.Start(ctx.Done())
		for kind, ok := range f.WaitForCacheSync(ctx.Done()) {
			if !ok {
				return nil, fmt.Errorf("reading the %v of the cluster: %w", kind, errors.Join(context.Cause(ctx)))
			}
		}
	}
	return w, nil
}

// noteChange says that something changed. What it was is not said: a look sees it.
func (w *watcher) noteChange() {
	select {
	case w.changed <- struct{}{}:
	default: // somebody said so already
	}
}

// world is how things are now.
func (w *watcher) world() (world, error) {
	ingresses, err1 := w.ingresses.List(labels.Everything())
	services, err2 := w.services.List(labels.Everything())
	slices, err3 := w.slices.List(labels.Everything())
	secrets, err4 := w.secrets.List(labels.Everything())
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return world{}, fmt.Errorf("listing what was watched: %w", err)
	}
	world := world{
		Services: map[string]*v1.Service{}, Slices: map[string][]*discoveryv1.EndpointSlice{}, Secrets: map[string]*v1.Secret{},
	}
	for _, ing := range ingresses {
		if w.ours(ing) {
			world.Ingresses = append(world.Ingresses, ing)
		}
	}
	for _, s := range services {
		world.Services[s.Namespace+"/"+s.Name] = s
	}
	for _, s := range slices {
		k := s.Namespace + "/" + s.Labels[discoveryv1.LabelServiceName]
		world.Slices[k] = append(world.Slices[k], s)
	}
	for _, s := range secrets {
		world.Secrets[s.Namespace+"/"+s.Name] = s
	}
	return world, nil
}

// classAnnotation is how an Ingress named its class before there was a field.
const classAnnotation = "kubernetes.io/ingress.class"

// ours says whether an Ingress is of a class that names this controller. One
// without a class is nobody's: the API server gives new ones the default class.
func (w *watcher) ours(ing *networkingv1.Ingress) bool {
	if name := ing.Spec.IngressClassName; name != nil {
		class, err := w.classes.Get(*name)
		return err == nil && class.Spec.Controller == ControllerName
	}
	return ing.Annotations[classAnnotation] == ClassName
}
