package run

import (
	"context"
	"reflect"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/cache"
)

// stir notes that something changed which damage looks at. Its watches begin with the
// first question: a step that is right at once needs none.
type stir struct {
	ctx     context.Context
	s       *Session
	begin   sync.Once
	changed atomic.Bool
}

// newStir lasts as long as ctx.
func newStir(ctx context.Context, s *Session) *stir { return &stir{ctx: ctx, s: s} }

// take tells whether something changed since it was asked last. Where nobody watches it did.
func (t *stir) take() bool {
	if t == nil {
		return true
	}
	t.begin.Do(t.watch)
	return t.changed.Swap(false)
}

func (t *stir) watch() {
	kinds := []watched{{"Node", "v1", ""}, {"Deployment", "apps/v1", ""}, {"DaemonSet", "apps/v1", ""}}
	for _, k := range strayKinds {
		kinds = append(kinds, watched{k.kind, k.version, "default"})
	}
	t.changed.Store(true)
	note := func(any) { t.changed.Store(true) }
	t.s.watchKinds(t.ctx, kinds, cache.ResourceEventHandlerFuncs{AddFunc: note, DeleteFunc: note, UpdateFunc: func(old, new any) {
		if asked(old, new) {
			note(new)
		}
	}})
}

// asked tells whether an object is asked for anew: what is observed of one (a node says
// every few seconds that it lives) is no damage.
func asked(old, new any) bool {
	a, okA := old.(*unstructured.Unstructured)
	b, okB := new.(*unstructured.Unstructured)
	return !okA || !okB || !reflect.DeepEqual(a.GetLabels(), b.GetLabels()) || !reflect.DeepEqual(a.Object["spec"], b.Object["spec"])
}
