package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/util/cert"
)

// certCheck is how often a handshake looks, at most, whether the certificate was replaced.
const certCheck = 5 * time.Second

// keyPair is a serving certificate that follows its files.
type keyPair struct {
	certFile, keyFile string

	mu      sync.Mutex
	current *tls.Certificate
	changed time.Time
	looked  time.Time
}

// newKeyPair loads the serving certificate, making a self-signed one in dir if no
// files are named and none is there yet.
func newKeyPair(certFile, keyFile, dir, host string) (*keyPair, error) {
	if (certFile == "") != (keyFile == "") {
		return nil, errors.New("--tls-cert-file and --tls-private-key-file must be given together")
	}
	if certFile == "" {
		certFile, keyFile = filepath.Join(dir, "kubelet.crt"), filepath.Join(dir, "kubelet.key")
		if err := selfSigned(certFile, keyFile, host); err != nil {
			return nil, err
		}
	}
	k := &keyPair{certFile: certFile, keyFile: keyFile}
	return k, k.load()
}

// selfSigned makes a certificate that nobody has reason to trust. It encrypts, and that is
// all that a kubelet without a certificate of the cluster offers, too.
func selfSigned(certFile, keyFile, host string) error {
	if ok, err := cert.CanReadCertAndKey(certFile, keyFile); err != nil {
		return fmt.Errorf("looking for the serving certificate: %w", err)
	} else if ok {
		return nil
	}
	certPEM, keyPEM, err := cert.GenerateSelfSignedCertKey(host, nil, nil)
	if err != nil {
		return fmt.Errorf("making a serving certificate: %w", err)
	}
	if err := cert.WriteCert(certFile, certPEM); err != nil {
		return fmt.Errorf("keeping the serving certificate: %w", err)
	}
	if err := os.WriteFile(keyFile, keyPEM, 0o600); err != nil {
		return fmt.Errorf("keeping the serving key: %w", err)
	}
	return nil
}

// load reads both files.
func (k *keyPair) load() error {
	info, err := os.Stat(k.certFile)
	if err != nil {
		return fmt.Errorf("reading the serving certificate: %w", err)
	}
	cert, err := tls.LoadX509KeyPair(k.certFile, k.keyFile)
	if err != nil {
		return fmt.Errorf("reading the serving certificate %s and key %s: %w", k.certFile, k.keyFile, err)
	}
	k.current, k.changed = &cert, info.ModTime()
	return nil
}

// get is called at every handshake. A replacement that can't be read (it may be
// half written) leaves the old certificate in use.
func (k *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := time.Now(); now.Sub(k.looked) > certCheck {
		k.looked = now
		if info, err := os.Stat(k.certFile); err == nil && !info.ModTime().Equal(k.changed) {
			if err := k.load(); err != nil && k.current == nil {
				return nil, err
			}
		}
	}
	return k.current, nil
}
