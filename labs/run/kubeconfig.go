package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
)

// setNamespace points the kubectl of the learner, and that of the lab's scripts, at a
// namespace; empty is the default one.
func (s *Session) setNamespace(namespace string) error {
	err := s.Env.User.Do(func() error { return SetNamespace(s.Env.Kubeconfig, namespace) })
	if who, path := s.Env.Scripter(); err == nil && path != s.Env.Kubeconfig {
		err = who.Do(func() error { return SetNamespace(path, namespace) })
	}
	return err
}

// SetNamespace sets the namespace of the current context of a kubeconfig;
// empty puts back the default. The file is replaced whole.
func SetNamespace(path, namespace string) error {
	config, err := clientcmd.LoadFromFile(path)
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	current := config.Contexts[config.CurrentContext]
	if current == nil {
		return fmt.Errorf("the kubeconfig %s has no current context", path)
	}
	if current.Namespace == namespace {
		return nil
	}
	current.Namespace = namespace
	data, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("writing the kubeconfig: %w", err)
	}
	return replace(path, data)
}

// replace writes a file anew beside the old one, with its mode and owner kept.
func replace(path string, data []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(info.Mode().Perm()), keepOwner(f, info), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		if gone := os.Remove(f.Name()); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
