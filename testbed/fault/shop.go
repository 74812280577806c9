package fault

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"io"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
	"noriter.dev/noriter/testbed"
)

// Where an instructor names no namespace, the faults of workloads bring along
// something to break: a small shop in a namespace of its own, which goes when
// the last of them is taken out.

// Shop is the namespace of what is brought along.
const Shop = "fault-shop"

//go:embed shop.yaml
var shopFS embed.FS

var shopResources = map[string]schema.GroupVersionResource{
	"Namespace":  {Version: "v1", Resource: "namespaces"},
	"ConfigMap":  {Version: "v1", Resource: "configmaps"},
	"Secret":     {Version: "v1", Resource: "secrets"},
	"Service":    {Version: "v1", Resource: "services"},
	"Deployment": {Group: "apps", Version: "v1", Resource: "deployments"},
}

// shopObjects reads the shop's manifest.
func shopObjects() ([]*unstructured.Unstructured, error) {
	data, err := shopFS.ReadFile("shop.yaml")
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	for dec := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096); ; {
		o := &unstructured.Unstructured{}
		if err := dec.Decode(o); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, lang.Errorf("reading the shop's manifest: %w", "가게의 매니페스트 읽기: %w", err)
		}
		objects = append(objects, o)
	}
}

// openShop makes the shop, or what is missing of it, and waits until it serves.
func (w *world) openShop(ctx context.Context, note func(string)) error {
	note(Shop)
	if err := w.awaitClosed(ctx); err != nil {
		return err
	}
	cfg, err := w.RESTConfig()
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return err
	}
	objects, err := shopObjects()
	if err != nil {
		return err
	}
	for _, o := range objects {
		var to dynamic.ResourceInterface = client.Resource(shopResources[o.GetKind()])
		if o.GetKind() != "Namespace" {
			to = client.Resource(shopResources[o.GetKind()]).Namespace(Shop)
		}
		err := poll(ctx, w.Patient(shopLimit), lang.Text{EN: "the shop to take what is made", KO: "가게에 만들기"}, func(ctx context.Context) (bool, string, error) {
			_, err := to.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: "nori-fault", Force: true})
			// A shop that was closed just now must be gone first.
			if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
				return false, err.Error(), nil
			}
			return err == nil, "", err
		})
		if err != nil {
			return lang.Errorf("making %s %s to break: %w", "망가뜨릴 %s %s 만들기: %w", o.GetKind(), o.GetName(), err)
		}
	}
	return w.awaitShop(ctx, objects)
}

// awaitClosed waits until a shop that is being closed is gone: what would be put into it
// would go with it.
func (w *world) awaitClosed(ctx context.Context) error {
	c, err := w.client()
	if err != nil {
		return err
	}
	return poll(ctx, w.Patient(shopLimit), lang.Text{EN: "the shop of before to be gone", KO: "이전 가게가 없어지는 것"}, func(ctx context.Context) (bool, string, error) {
		ns, err := c.CoreV1().Namespaces().Get(ctx, Shop, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, "", nil
		}
		if err != nil {
			return false, "", lang.Errorf("looking at the namespace %s: %w", "네임스페이스 %s 조회: %w", Shop, err)
		}
		return ns.DeletionTimestamp == nil, ns.Name, nil
	})
}

func (w *world) awaitShop(ctx context.Context, objects []*unstructured.Unstructured) error {
	return poll(ctx, w.Patient(shopLimit), lang.Text{EN: "the shop to be open", KO: "가게가 열리는 것"}, func(ctx context.Context) (bool, string, error) {
		for _, o := range objects {
			f := testbed.Fault{Namespace: Shop, Object: o.GetName()}
			switch o.GetKind() {
			case "Deployment":
				d, err := w.deployment(ctx, f)
				if err != nil {
					return false, "", err
				}
				if !complete(d) {
					return false, lang.Textf("the rollout of %s", "%s의 롤아웃이 끝나지 않음", TargetOf(f)).String(), nil
				}
			case "Service":
				ready, err := w.readyEndpoints(ctx, f)
				if err != nil {
					return false, "", err
				}
				if ready == 0 {
					return false, lang.Textf("endpoints of %s", "%s에 준비된 엔드포인트가 없음", TargetOf(f)).String(), nil
				}
			}
		}
		return true, "", nil
	})
}

// closeShop removes the shop; it is gone for good a little later.
func (w *world) closeShop(ctx context.Context) error {
	c, err := w.client()
	if err != nil {
		return err
	}
	if err := c.CoreV1().Namespaces().Delete(ctx, Shop, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return lang.Errorf("removing the namespace %s: %w", "네임스페이스 %s 삭제: %w", Shop, err)
	}
	return nil
}

const shopLimit = 60 * time.Second

// poll asks again and again until the answer is yes; when the time is over, the
// error says what was still missing.
func poll(ctx context.Context, limit time.Duration, what lang.Text, ask wait.Look) error {
	return wait.For(ctx, limit, 200*time.Millisecond, what, ask)
}
