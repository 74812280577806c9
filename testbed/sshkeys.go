package testbed

import (
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/remote"
)

// sshKeys are the testbed's SSH keys.
type sshKeys struct {
	signer     ssh.Signer
	authorized string
	hostPEM    map[string][]byte
	hostPublic map[string]ssh.PublicKey
}

// sshKeys reads the key pair and the host keys, and makes those that are not
// there yet.
func (t *Testbed) sshKeys() (*sshKeys, error) {
	if t.ssh != nil {
		return t.ssh, nil
	}
	k := &sshKeys{hostPEM: map[string][]byte{}, hostPublic: map[string]ssh.PublicKey{}}
	pem, err := ensureKey(filepath.Join(t.Dir(), "ssh", "id_ed25519"))
	if err != nil {
		return nil, err
	}
	if k.signer, err = ssh.ParsePrivateKey(pem); err != nil {
		return nil, lang.Errorf("reading the testbed's SSH key: %w", "테스트베드의 SSH 키 읽기: %w", err)
	}
	k.authorized = string(ssh.MarshalAuthorizedKey(k.signer.PublicKey()))
	// Host keys for as many machines as there may ever be, so that they are
	// known before any of them first boots.
	for _, name := range (State{Spec: Spec{Nodes: MaxNodes}}).machineNames() {
		pem, err := ensureKey(filepath.Join(t.Dir(), "ssh", "host_"+name))
		if err != nil {
			return nil, err
		}
		signer, err := ssh.ParsePrivateKey(pem)
		if err != nil {
			return nil, lang.Errorf("reading the host key of %s: %w", "%s의 호스트 키 읽기: %w", name, err)
		}
		k.hostPEM[name], k.hostPublic[name] = pem, signer.PublicKey()
	}
	t.ssh = k
	return k, nil
}

func ensureKey(path string) ([]byte, error) {
	if pem, err := os.ReadFile(path); err == nil {
		return pem, nil
	}
	pair, err := remote.NewKeyPair("noriter " + filepath.Base(path))
	if err != nil {
		return nil, lang.Errorf("making an SSH key: %w", "SSH 키 만들기: %w", err)
	}
	if err := writeFile(path, pair.Private, 0o600); err != nil {
		return nil, lang.Errorf("keeping an SSH key: %w", "SSH 키 저장: %w", err)
	}
	return pair.Private, nil
}
