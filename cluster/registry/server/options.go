package server

import (
	"cmp"
	"errors"
	"path/filepath"

	"github.com/spf13/pflag"

	"noriter.dev/noriter/cluster/install/pki"
)

// Options are the flags of the registry process. A zero field takes its
// default in AddFlags.
type Options struct {
	// DataDir holds what both registries have, each in a folder of its own.
	DataDir string
	// OpenAddress speaks HTTP to everybody; PrivateAddress speaks HTTPS and
	// asks for a password.
	OpenAddress, PrivateAddress string
	// CertFile and KeyFile are the serving pair of PrivateAddress.
	CertFile, KeyFile string
	// HtpasswdFile has a line per account that may read what is private, with a
	// bcrypt hash.
	HtpasswdFile string
	// WriterFile names the one account that may push, and its password's SHA-256.
	WriterFile string
	// Quota is how many bytes both may hold together.
	Quota int64
}

// AddFlags adds the flags, with their defaults.
func (o *Options) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&o.DataDir, "data-dir", cmp.Or(o.DataDir, "/var/lib/noriter/registry"), "folder of what was pushed")
	f.StringVar(&o.OpenAddress, "open-address", cmp.Or(o.OpenAddress, ":5000"), "address that speaks HTTP to everybody")
	f.StringVar(&o.PrivateAddress, "private-address", cmp.Or(o.PrivateAddress, ":5443"), "address that speaks HTTPS and asks for a password")
	f.StringVar(&o.CertFile, "tls-cert-file", cmp.Or(o.CertFile, filepath.Join(pki.RegistryDir, "server.crt")), "certificate of the private address")
	f.StringVar(&o.KeyFile, "tls-private-key-file", cmp.Or(o.KeyFile, filepath.Join(pki.RegistryDir, "server.key")), "its key")
	f.StringVar(&o.HtpasswdFile, "htpasswd-file", cmp.Or(o.HtpasswdFile, filepath.Join(pki.RegistryDir, "htpasswd")), "accounts of the private address, with bcrypt hashes")
	f.StringVar(&o.WriterFile, "writer-file", cmp.Or(o.WriterFile, pki.RegistryWriter), "account that may push, as NAME:SHA256")
	f.Int64Var(&o.Quota, "quota", cmp.Or(o.Quota, 2<<30), "bytes that all images together may take")
}

// Validate says what can't be served with.
func (o *Options) Validate() error {
	switch {
	case o.DataDir == "":
		return errors.New("registry: --data-dir is empty: name a folder")
	case o.OpenAddress == "" || o.PrivateAddress == "":
		return errors.New("registry: --open-address and --private-address must be set, such as :5000 and :5443")
	case o.Quota <= 0:
		return errors.New("registry: --quota must be more than 0 bytes")
	}
	return nil
}
