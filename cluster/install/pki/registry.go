package pki

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"noriter.dev/noriter/provision/machine"
)

// RegistryUser is the account that may push.
const RegistryUser = "nori"

// RegistryPassword is the file, below the folder, of what lets the installing host
// push images. It does not leave the folder: the control node has its checksum.
const RegistryPassword = "registry/password"

// ensureRegistryPassword makes the password, once.
func (b *Bundle) ensureRegistryPassword() error {
	data, err := b.read(RegistryPassword)
	if err != nil || len(data) > 0 {
		return err
	}
	b.changed("registry password: made")
	return b.write(RegistryPassword, []byte(rand.Text()))
}

// RegistryPassword is the password of the account that may push.
func (b *Bundle) RegistryPassword() string { return string(b.content[RegistryPassword]) }

// registryWriter tells the registry who may push.
func (b *Bundle) registryWriter() machine.File {
	line := fmt.Sprintf("%s:%x\n", RegistryUser, sha256.Sum256(b.content[RegistryPassword]))
	return machine.File{Path: RegistryWriter, Mode: 0o600, Content: []byte(line)}
}
