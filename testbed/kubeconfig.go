package testbed

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"

	"noriter.dev/noriter/internal/lang"
)

// Kubeconfig is the learner's kubeconfig: the administrator's, or a copy of it that only
// they can read. The copy keeps the namespace that a lab has set in it, and is made anew
// when the cluster was.
func (d *Desk) Kubeconfig() (string, error) {
	if d.User.Self() {
		return d.testbed.Kubeconfig(), nil
	}
	path := filepath.Join(d.Dir, "kubeconfig")
	if err := d.copyKubeconfig(path); err != nil {
		return "", lang.Errorf("making a kubeconfig for %s: %w", "%s의 kubeconfig 만들기: %w", d.User.Name, err)
	}
	return path, nil
}

func (d *Desk) copyKubeconfig(path string) error {
	data, err := os.ReadFile(d.testbed.Kubeconfig())
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotUp
	}
	if err != nil {
		return err
	}
	old, err := d.User.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if data, err = withNamespaceOf(data, old); err != nil {
		return err
	}
	if bytes.Equal(data, old) {
		return nil
	}
	return d.User.WriteFile(path, data, 0o600)
}

// withNamespaceOf gives a kubeconfig the namespace of the current context of an older
// one; where that is none, it stays as it is.
func withNamespaceOf(data, old []byte) ([]byte, error) {
	was, err := clientcmd.Load(old)
	if err != nil || was.Contexts[was.CurrentContext] == nil {
		return data, nil
	}
	config, err := clientcmd.Load(data)
	if err != nil {
		return nil, err
	}
	if current := config.Contexts[config.CurrentContext]; current != nil {
		current.Namespace = was.Contexts[was.CurrentContext].Namespace
	}
	return clientcmd.Write(*config)
}
