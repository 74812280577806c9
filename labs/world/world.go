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
	"regexp"
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
	// Origin is the folder of a lab or quiz from elsewhere; empty is a built-in one. Twin
	// says that a built-in one has the same name.
	Origin string
	Twin   bool
}

// reserved are the namespaces of the cluster itself.
var reserved = regexp.MustCompile(`^(default|kube-.*|ingress-nginx|noriter.*)$`)

// Reserved tells whether a namespace is the cluster's own, and so never a lab's.
func Reserved(name string) bool { return reserved.MatchString(name) }

// ErrTaken is a namespace that somebody else has made. Nothing in it is touched.
var ErrTaken = errors.New("somebody else's namespace")

// Check gives an error that is ErrTaken if the namespace is there and is another's: it was
// not made by this lab or quiz, in whichever attempt.
func (n *Namespace) Check(ctx context.Context) error {
	ns, err := n.get(ctx)
	if err != nil {
		return err
	}
	return n.check(ns)
}

// check is Check for the namespace as it is; nil is none.
func (n *Namespace) check(ns *unstructured.Unstructured) error {
	if Reserved(n.Name) || ns != nil && !n.made(ns) {
		return &taken{lang.Errorf("the namespace %[1]s is there already, and not made by this lab or quiz: nothing in it was touched; delete it yourself, if you don't need it",
			"네임스페이스 %[1]s이(가) 이미 있는데, 이 실습이나 퀴즈가 만든 것이 아니어서 아무것도 건드리지 않았습니다. 필요 없는 것이라면 직접 지우세요", n.Name)}
	}
	return nil
}

// taken is an error that is ErrTaken.
type taken struct{ error }

func (*taken) Is(target error) bool { return target == ErrTaken }

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
	return ns != nil && n.made(ns) && ns.GetDeletionTimestamp() == nil && ns.GetAnnotations()[AttemptAnnotation] == n.Attempt
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
	if err := n.check(ns); err != nil {
		return err
	}
	if ns != nil && !n.owns(ns) {
		if err := remove(ctx); err != nil {
			return err
		}
	}
	annotations := map[string]any{AttemptAnnotation: n.Attempt}
	if n.Origin != "" {
		annotations[OriginAnnotation] = n.Origin
	}
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace",
		"metadata": map[string]any{"name": n.Name, "labels": n.Labels, "annotations": annotations},
	}}
	_, err = n.Cluster.Dynamic.Resource(namespaces).Create(ctx, obj, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) { // it may have come this moment
		err = n.Check(ctx)
	}
	if err != nil {
		return lang.Errorf("making the namespace %s: %w", "네임스페이스 %s 만들기: %w", n.Name, err)
	}
	what := lang.Textf("the service account default of namespace %s", "네임스페이스 %s의 서비스 어카운트 default", n.Name)
	return Until(ctx, limit, what, func(ctx context.Context) (bool, error) {
		account, err := n.Cluster.Get(ctx, "ServiceAccount", "v1", n.Name, "default")
		return account != nil, err
	})
}

// Delete begins to delete the namespace; one that is going already goes on, and one of
// somebody else's is left alone.
func (n *Namespace) Delete(ctx context.Context) error {
	ns, err := n.get(ctx)
	if err != nil {
		return err
	}
	if err := n.check(ns); err != nil || ns == nil {
		return err
	}
	uid := ns.GetUID() // not one of the same name that has come since
	err = n.Cluster.Dynamic.Resource(namespaces).Delete(ctx, n.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
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
