package fault

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"noriter.dev/noriter/internal/lang"
)

func TestShopIsReadable(t *testing.T) {
	objects, err := shopObjects()
	if err != nil || len(objects) < 4 || objects[0].GetKind() != "Namespace" || objects[0].GetName() != Shop {
		t.Fatalf("%v, %v", objects, err)
	}
	for _, o := range objects {
		if _, ok := shopResources[o.GetKind()]; !ok {
			t.Errorf("no way to make a %s", o.GetKind())
		}
	}
}

func TestPollSaysWhatIsMissing(t *testing.T) {
	err := poll(t.Context(), 20*time.Millisecond, lang.Text{EN: "a lift"}, func(context.Context) (bool, string, error) { return false, "the moon", nil })
	if err == nil || !strings.Contains(err.Error(), "the moon") || !strings.Contains(err.Error(), "waiting for a lift") {
		t.Errorf("got %v", err)
	}
	if err := poll(t.Context(), time.Minute, lang.Text{}, func(context.Context) (bool, string, error) { return false, "", errors.ErrUnsupported }); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}

// TestShopThatCloses: nothing is put into a shop that is being closed.
func TestShopThatCloses(t *testing.T) {
	closing := &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Shop, DeletionTimestamp: &metav1.Time{Time: time.Now()}, Finalizers: []string{"kubernetes"}}}
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	w := worldOf(closing)
	w.api.(*fake.Clientset).PrependReactor("get", "namespaces", func(clienttesting.Action) (bool, runtime.Object, error) {
		if asked++; asked > 1 {
			cancel()
		}
		return false, nil, nil
	})
	if err := w.awaitClosed(ctx); err == nil || asked < 2 {
		t.Errorf("a shop that is being closed is taken for a place to put something: %v", err)
	}
	if err := worldOf().awaitClosed(t.Context()); err != nil {
		t.Error(err)
	}
}
