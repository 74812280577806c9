package run

import (
	"context"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"

	"noriter.dev/noriter/labs/format"
)

// changes is told whenever an object of a kind that the step looks at
// changes in the lab's namespace.
func (s *Session) changes(ctx context.Context, step *format.Step) <-chan struct{} {
	changed := make(chan struct{}, 1)
	notify := func() {
		select {
		case changed <- struct{}{}:
		default: // one is under way already
		}
	}
	s.watchKinds(ctx, watchedKinds(step), cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { notify() },
		UpdateFunc: func(any, any) { notify() },
		DeleteFunc: func(any) { notify() },
	})
	return changed
}

// watchKinds tells a handler of the objects of kinds; those that the cluster doesn't know
// are left out.
func (s *Session) watchKinds(ctx context.Context, kinds []watched, handler cache.ResourceEventHandler) {
	factories := map[string]dynamicinformer.DynamicSharedInformerFactory{}
	for _, k := range kinds {
		m, err := s.Cluster.Resource(k.kind, k.version)
		if err != nil {
			continue // the slow beat looks at it
		}
		namespace := k.namespace
		switch {
		case m.Scope.Name() == meta.RESTScopeNameRoot:
			namespace = metav1.NamespaceAll
		case namespace == "":
			namespace = s.Namespace
		}
		factory := factories[namespace]
		if factory == nil {
			factory = dynamicinformer.NewFilteredDynamicSharedInformerFactory(s.Cluster.Dynamic, 0, namespace, func(*metav1.ListOptions) {})
			factories[namespace] = factory
		}
		informer := factory.ForResource(m.Resource).Informer()
		// Errors of a watch are retried by the informer, and the beat goes on
		// meanwhile; on a terminal they would only tear the screen.
		if informer.SetWatchErrorHandler(func(*cache.Reflector, error) {}) != nil {
			continue
		}
		if _, err := informer.AddEventHandler(handler); err != nil {
			continue
		}
	}
	for _, factory := range factories {
		factory.Start(ctx.Done())
	}
}

// watchedKinds are what a step looks at, with the namespace; empty is the lab's. Pods
// are always among them: exec, logs and pages change with them.
func watchedKinds(step *format.Step) []watched {
	out := []watched{{"Pod", "v1", ""}}
	for i := range step.Checks {
		objects, _ := step.Checks[i].Watches()
		for _, o := range objects {
			k := watched{o.Kind, o.APIVersion, o.Namespace.Source()}
			if strings.Contains(k.namespace, "{{") {
				continue // not known here; the beat looks at it
			}
			if k.kind == "Pod" {
				k.version = "v1"
			}
			if !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
	}
	return out
}

// watched is a kind with its namespace; see check.Watched.
type watched struct{ kind, version, namespace string }
