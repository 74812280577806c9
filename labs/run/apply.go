package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/progress"
	"noriter.dev/noriter/labs/world"
)

// applyFile puts the objects of a manifest into the lab's namespace.
func (s *Session) applyFile(ctx context.Context, state *progress.Lab, name string) error {
	text, err := s.renderFile(ctx, state, name)
	if err != nil {
		return err
	}
	objects, err := world.Objects(name, text)
	if err != nil {
		return err
	}
	for _, obj := range objects {
		if err := s.apply(ctx, obj); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// apply creates an object, or applies it over the one that is there.
func (s *Session) apply(ctx context.Context, obj *unstructured.Unstructured) error {
	if err := s.put(ctx, obj); err != nil {
		return fmt.Errorf("applying %s %s: %w", strings.ToLower(obj.GetKind()), obj.GetName(), err)
	}
	return nil
}

func (s *Session) put(ctx context.Context, obj *unstructured.Unstructured) error {
	m, err := s.Cluster.Resource(obj.GetKind(), obj.GetAPIVersion())
	if err != nil {
		return err
	}
	var client dynamic.ResourceInterface = s.Cluster.Dynamic.Resource(m.Resource)
	inNamespace := m.Scope.Name() == meta.RESTScopeNameNamespace
	if inNamespace {
		obj.SetNamespace(s.Namespace)
		client = s.Cluster.Dynamic.Resource(m.Resource).Namespace(s.Namespace)
	} else {
		s.world(&progress.Lab{}).Mark(obj)
	}
	_, err = client.Create(ctx, obj, metav1.CreateOptions{FieldManager: fieldManager})
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	if !inNamespace {
		if err := s.mayChange(ctx, client, obj); err != nil {
			return err
		}
	}
	data, err := obj.MarshalJSON()
	if err != nil {
		return err
	}
	force := true
	_, err = client.Patch(ctx, obj.GetName(), types.ApplyPatchType, data,
		metav1.PatchOptions{FieldManager: fieldManager, Force: &force})
	return err
}

// fieldManager is by whom objects of labs are made.
const fieldManager = "nori-lab"

// renderFile reads a file of the lab and fills in the learner's variables.
func (s *Session) renderFile(ctx context.Context, state *progress.Lab, name string) (string, error) {
	data, err := fs.ReadFile(s.Lab.FS, name)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	t, err := expr.CompileTemplate(string(data), "files")
	if err != nil {
		return "", fmt.Errorf("in %s: %w", name, err)
	}
	return s.Render(ctx, t, state)
}

// handOutFiles writes the lab's files into a folder, mostly the one where the
// learner works. A file that is there already is the learner's and stays.
func (s *Session) handOutFiles(state *progress.Lab, dir string) error {
	who, _ := s.Env.Scripter()
	if err := who.Do(func() error { return os.MkdirAll(dir, 0o755) }); err != nil {
		return fmt.Errorf("making the folder of the lab's files: %w", err)
	}
	entries, err := fs.ReadDir(s.Lab.FS, "files")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the lab's files: %w", err)
	}
	for _, e := range entries {
		text, err := s.renderFile(context.Background(), state, "files/"+e.Name())
		if err != nil {
			return err
		}
		target := filepath.Join(dir, e.Name())
		if err := who.Do(func() error { return handOut(target, text) }); err != nil {
			return fmt.Errorf("writing %s: %w", target, err)
		}
	}
	return nil
}

// handOut writes a new file; one that is there stays.
func handOut(target, text string) error {
	f, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
