package quiz

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	yamlstream "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
	"noriter.dev/noriter/labs/run"
)

// Time limits of what the world waits for, and how often it looks.
const (
	goneLimit    = 60 * time.Second
	accountLimit = 30 * time.Second
	readyLimit   = 2 * time.Minute
	closeLimit   = 10 * time.Second
	lookAgain    = 200 * time.Millisecond
)

// quizLabel marks a quiz's namespace; the annotation tells the world of this
// attempt from one that an older attempt left.
const (
	quizLabel         = "noriter.dev/quiz"
	attemptAnnotation = "noriter.dev/attempt"
)

var namespaces = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}

// build makes the quiz's world and waits until it is as it should be. All of
// it can be done again.
func (s *Session) build(ctx context.Context, say run.Say) error {
	say(lang.T("preparing a small world in the namespace "+s.Namespace, "네임스페이스 "+s.Namespace+"에 작은 세계를 준비합니다"))
	if err := s.makeNamespace(ctx); err != nil {
		return err
	}
	objects, err := s.worldObjects(ctx)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if err := s.create(ctx, o); err != nil {
			return err
		}
	}
	for i := range s.Quiz.Ready {
		if err := s.waitReady(ctx, &s.Quiz.Ready[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) waitReady(ctx context.Context, r *Ready) error {
	return until(ctx, readyLimit, r.What, func(ctx context.Context) (bool, error) {
		scope, failed := s.scope(ctx)
		verdict, err := r.Expr.Test(ctx, scope)
		return verdict.True, errors.Join(*failed, err)
	})
}

func (s *Session) makeNamespace(ctx context.Context) error {
	ns, err := s.Cluster.Get(ctx, "Namespace", "v1", "", s.Namespace)
	if err != nil {
		return err
	}
	mark := strconv.FormatUint(s.Seed, 10)
	if ns != nil && (ns.GetDeletionTimestamp() != nil || ns.GetAnnotations()[attemptAnnotation] != mark) {
		if err := s.remove(ctx); err != nil {
			return err
		}
		if err := s.waitGone(ctx); err != nil {
			return err
		}
	}
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace",
		"metadata": map[string]any{
			"name": s.Namespace, "labels": map[string]any{quizLabel: s.Quiz.Topic},
			"annotations": map[string]any{attemptAnnotation: mark},
		},
	}}
	_, err = s.Cluster.Dynamic.Resource(namespaces).Create(ctx, obj, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("making the namespace %s: %w", s.Namespace, err)
	}
	what := lang.Textf("the service account default of namespace %s", "네임스페이스 %s의 서비스 어카운트 default", s.Namespace)
	return until(ctx, accountLimit, what, func(ctx context.Context) (bool, error) {
		account, err := s.Cluster.Get(ctx, "ServiceAccount", "v1", s.Namespace, "default")
		return account != nil, err
	})
}

// worldObjects reads the world's manifest with this attempt's variables.
func (s *Session) worldObjects(ctx context.Context) ([]*unstructured.Unstructured, error) {
	scope, failed := s.scope(ctx)
	text, err := s.render(ctx, s.Quiz.world, scope)
	if err := errors.Join(*failed, err); err != nil {
		return nil, fmt.Errorf("the world of the quiz %s: %w", s.Quiz.Topic, err)
	}
	var out []*unstructured.Unstructured
	documents := yamlstream.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
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
			return nil, fmt.Errorf("reading the world of the quiz %s: %w", s.Quiz.Topic, err)
		}
		if len(obj.Object) > 0 {
			out = append(out, obj)
		}
	}
}

// create makes an object; one that is there already is of this attempt.
func (s *Session) create(ctx context.Context, obj *unstructured.Unstructured) error {
	what := strings.ToLower(obj.GetKind()) + " " + obj.GetName()
	m, err := s.Cluster.Resource(obj.GetKind(), obj.GetAPIVersion())
	if err != nil {
		return fmt.Errorf("making %s: %w", what, err)
	}
	if m.Scope.Name() != meta.RESTScopeNameNamespace {
		return fmt.Errorf("making %s: a quiz makes nothing outside of its namespace", what)
	}
	obj.SetNamespace(s.Namespace)
	var client dynamic.ResourceInterface = s.Cluster.Dynamic.Resource(m.Resource).Namespace(s.Namespace)
	if _, err = client.Create(ctx, obj, metav1.CreateOptions{FieldManager: "nori-quiz"}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("making %s: %w", what, err)
	}
	return nil
}

// Close takes the world away, without waiting for the last of it to go: an
// attempt that comes before it has gone waits then. It does so even when ctx
// is done, since that is how a learner leaves.
func (s *Session) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	return s.remove(ctx)
}

func (s *Session) remove(ctx context.Context) error {
	err := s.Cluster.Dynamic.Resource(namespaces).Delete(ctx, s.Namespace, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) { // a conflict: it is going already
		return fmt.Errorf("removing the namespace %s: %w", s.Namespace, err)
	}
	return nil
}

func (s *Session) waitGone(ctx context.Context) error {
	what := lang.Textf("the old namespace %s to go", "이전 네임스페이스 %s의 삭제", s.Namespace)
	return until(ctx, goneLimit, what, func(ctx context.Context) (bool, error) {
		ns, err := s.Cluster.Get(ctx, "Namespace", "v1", "", s.Namespace)
		return ns == nil, err
	})
}

// until looks until it is true, an error comes, or the limit is over.
func until(ctx context.Context, limit time.Duration, what lang.Text, look func(context.Context) (bool, error)) error {
	return wait.For(ctx, limit, lookAgain, what, func(ctx context.Context) (bool, string, error) {
		ok, err := look(ctx)
		return ok, "", err
	})
}
