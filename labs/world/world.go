// Package world is the namespace that a lab or a quiz works in, and the
// manifests that fill it. A namespace belongs to one attempt: what an older
// attempt left goes first.
package world

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	yamlstream "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
	"noriter.dev/noriter/labs/check"
)

// AttemptAnnotation on a namespace says to which attempt it belongs.
const AttemptAnnotation = "noriter.dev/attempt"

// Namespace is a namespace of one attempt.
type Namespace struct {
	Cluster *check.Cluster
	Name    string
	// Labels say what lab or quiz it is for.
	Labels map[string]any
	// Attempt tells it from the namespace of another attempt.
	Attempt string
}

var namespaces = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}

// IsThere tells whether the namespace is there, and is that of this attempt.
func (n *Namespace) IsThere(ctx context.Context) (bool, error) {
	ns, err := n.get(ctx)
	return err == nil && n.owns(ns), err
}

// IsGone tells whether there is no namespace of this name, of any attempt.
func (n *Namespace) IsGone(ctx context.Context) (bool, error) {
	ns, err := n.get(ctx)
	return ns == nil, err
}

func (n *Namespace) get(ctx context.Context) (*unstructured.Unstructured, error) {
	return n.Cluster.Get(ctx, "Namespace", "v1", "", n.Name)
}

func (n *Namespace) owns(ns *unstructured.Unstructured) bool {
	return ns != nil && ns.GetDeletionTimestamp() == nil && ns.GetAnnotations()[AttemptAnnotation] == n.Attempt
}

// Make makes the namespace, unless it is there already, and waits until pods
// can be made in it: limit is for its service account to come. One of another
// attempt, or one that is going away, is removed first; remove returns when it
// is gone.
func (n *Namespace) Make(ctx context.Context, limit time.Duration, remove func(context.Context) error) error {
	ns, err := n.get(ctx)
	if err != nil {
		return err
	}
	if ns != nil && !n.owns(ns) {
		if err := remove(ctx); err != nil {
			return err
		}
	}
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace",
		"metadata": map[string]any{"name": n.Name, "labels": n.Labels, "annotations": map[string]any{AttemptAnnotation: n.Attempt}},
	}}
	_, err = n.Cluster.Dynamic.Resource(namespaces).Create(ctx, obj, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return lang.Errorf("making the namespace %s: %w", "네임스페이스 %s 만들기: %w", n.Name, err)
	}
	what := lang.Textf("the service account default of namespace %s", "네임스페이스 %s의 서비스 어카운트 default", n.Name)
	return Until(ctx, limit, what, func(ctx context.Context) (bool, error) {
		account, err := n.Cluster.Get(ctx, "ServiceAccount", "v1", n.Name, "default")
		return account != nil, err
	})
}

// Delete begins to delete the namespace; one that is going already goes on.
func (n *Namespace) Delete(ctx context.Context) error {
	err := n.Cluster.Dynamic.Resource(namespaces).Delete(ctx, n.Name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) { // a conflict: it is going already
		return lang.Errorf("deleting the namespace %s: %w", "네임스페이스 %s 지우기: %w", n.Name, err)
	}
	return nil
}

// Objects reads the objects of a manifest; file names it in errors.
func Objects(file, manifest string) (out []*unstructured.Unstructured, err error) {
	documents := yamlstream.NewYAMLReader(bufio.NewReader(strings.NewReader(manifest)))
	for {
		data, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		obj := &unstructured.Unstructured{}
		if err == nil {
			err = yaml.Unmarshal(data, &obj.Object)
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		if len(obj.Object) > 0 {
			out = append(out, obj)
		}
	}
}

// lookAgain is how often a wait looks.
const lookAgain = 200 * time.Millisecond

// Until looks until it is true, an error comes, or the limit is over; what
// names what is waited for.
func Until(ctx context.Context, limit time.Duration, what lang.Text, look func(context.Context) (bool, error)) error {
	return wait.For(ctx, limit, lookAgain, what, func(ctx context.Context) (bool, string, error) {
		ok, err := look(ctx)
		return ok, "", err
	})
}
