package quiz

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/run"
	"noriter.dev/noriter/labs/world"
)

// Time limits of what the world waits for.
const (
	goneLimit    = 60 * time.Second
	accountLimit = 30 * time.Second
	readyLimit   = 2 * time.Minute
	closeLimit   = 10 * time.Second
)

// quizLabel marks a quiz's namespace.
const quizLabel = "noriter.dev/quiz"

// build makes the quiz's world and waits until it is as it should be. All of
// it can be done again.
func (s *Session) build(ctx context.Context, say run.Say) error {
	say(lang.Textf("preparing a small world in the namespace %s", "네임스페이스 %s에 문제용 환경을 준비합니다", s.Namespace).String())
	if err := s.namespace().Make(ctx, accountLimit, s.removeOld); err != nil {
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
	return world.Until(ctx, readyLimit, r.What, func(ctx context.Context) (bool, error) {
		scope, failed := s.scope(ctx)
		verdict, err := r.Expr.Test(ctx, scope)
		return verdict.True, errors.Join(*failed, err)
	})
}

// namespace is where this attempt's world is.
func (s *Session) namespace() *world.Namespace {
	return &world.Namespace{Cluster: s.Cluster, Name: s.Namespace, Labels: map[string]any{quizLabel: s.Quiz.Topic},
		Attempt: strconv.FormatUint(s.Seed, 10), Origin: s.Quiz.Path, Twin: s.Quiz.Twin}
}

// removeOld removes the namespace that an older attempt left.
func (s *Session) removeOld(ctx context.Context) error {
	if err := s.namespace().Delete(ctx); err != nil {
		return err
	}
	what := lang.Textf("the old namespace %s to go", "이전 네임스페이스 %s의 삭제", s.Namespace)
	return world.Until(ctx, goneLimit, what, s.namespace().IsGone)
}

// worldObjects reads the world's manifest with this attempt's variables.
func (s *Session) worldObjects(ctx context.Context) ([]*unstructured.Unstructured, error) {
	scope, failed := s.scope(ctx)
	text, err := s.render(ctx, s.Quiz.world, scope)
	if err := errors.Join(*failed, err); err != nil {
		return nil, fmt.Errorf("the world of the quiz %s: %w", s.Quiz.Topic, err)
	}
	return world.Objects("the world of the quiz "+s.Quiz.Topic, text)
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
	return s.namespace().Delete(ctx)
}
