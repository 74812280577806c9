package testbed

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

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
	var err error
	if _, k.signer, err = t.ensureKey("id_ed25519", true); err != nil {
		return nil, err
	}
	k.authorized = string(ssh.MarshalAuthorizedKey(k.signer.PublicKey()))
	// Host keys for as many machines as there may ever be, so that they are
	// known before any of them first boots.
	for _, name := range (State{Spec: Spec{Nodes: MaxNodes}}).machineNames() {
		pem, signer, err := t.ensureKey("host_"+name, slices.Contains(t.Machines(), name))
		if err != nil {
			return nil, err
		}
		k.hostPEM[name], k.hostPublic[name] = pem, signer.PublicKey()
	}
	t.ssh = k
	return k, nil
}

// ensureKey reads a key, or makes it. Machines were given theirs before they first
// booted: one in use that is lost or damaged is not made anew, since no machine would
// know it.
func (t *Testbed) ensureKey(file string, inUse bool) ([]byte, ssh.Signer, error) {
	path := filepath.Join(t.Dir(), "ssh", file)
	pem, err := os.ReadFile(path)
	var signer ssh.Signer
	if err == nil {
		signer, err = ssh.ParsePrivateKey(pem)
	}
	switch {
	case err == nil:
		return pem, signer, nil
	case inUse && (t.allKeysMade() || !errors.Is(err, fs.ErrNotExist)):
		return nil, nil, lang.Errorf("the SSH key %s can't be used: %w; put it back, or `nori down --name %[3]s` and `nori up --name %[3]s` make the testbed anew",
			"SSH 키 %s을(를) 쓸 수 없습니다: %w. 파일을 되돌려 놓거나, `nori down --name %[3]s`, `nori up --name %[3]s`로 테스트베드를 새로 만드세요",
			path, err, t.Name())
	}
	pair, err := remote.NewKeyPair("noriter " + file)
	if err == nil {
		signer, err = ssh.ParsePrivateKey(pair.Private)
	}
	if err != nil {
		return nil, nil, lang.Errorf("making an SSH key: %w", "SSH 키 만들기: %w", err)
	}
	if err := writeFile(path, pair.Private, 0o600); err != nil {
		return nil, nil, lang.Errorf("keeping an SSH key: %w", "SSH 키 저장: %w", err)
	}
	return pair.Private, signer, nil
}

// allKeysMade says that a first run came as far as the last of the keys.
func (t *Testbed) allKeysMade() bool {
	_, err := os.Stat(filepath.Join(t.Dir(), "ssh", "host_"+worker(MaxNodes)))
	return err == nil
}
