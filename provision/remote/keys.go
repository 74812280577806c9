package remote

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// KeyPair is an Ed25519 key for a testbed or a machine.
type KeyPair struct {
	// Private is an OpenSSH private key file without a passphrase.
	Private []byte
	// Public is a line for authorized_keys, without a line feed.
	Public string
}

// NewKeyPair makes a key. The comment is for people who read the file.
func NewKeyPair(comment string) (KeyPair, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return KeyPair{}, fmt.Errorf("making an SSH key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return KeyPair{}, fmt.Errorf("making an SSH key: %w", err)
	}
	pub, err := ssh.NewPublicKey(public)
	if err != nil {
		return KeyPair{}, fmt.Errorf("making an SSH key: %w", err)
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub)))
	if comment != "" {
		line += " " + comment
	}
	return KeyPair{Private: pem.EncodeToMemory(block), Public: line}, nil
}

// ParseKey reads a private key file. The signer's PublicKey serves as the
// HostKey of a Target where the file is a machine's host key.
func ParseKey(private []byte) (ssh.Signer, error) {
	s, err := ssh.ParsePrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("reading an SSH key: %w", err)
	}
	return s, nil
}
