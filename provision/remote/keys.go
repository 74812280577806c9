package remote

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"strings"

	"golang.org/x/crypto/ssh"

	"noriter.dev/noriter/internal/lang"
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
		return KeyPair{}, lang.Errorf("making an SSH key: %w", "SSH 키 만들기: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return KeyPair{}, lang.Errorf("making an SSH key: %w", "SSH 키 만들기: %w", err)
	}
	pub, err := ssh.NewPublicKey(public)
	if err != nil {
		return KeyPair{}, lang.Errorf("making an SSH key: %w", "SSH 키 만들기: %w", err)
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub)))
	if comment != "" {
		line += " " + comment
	}
	return KeyPair{Private: pem.EncodeToMemory(block), Public: line}, nil
}
