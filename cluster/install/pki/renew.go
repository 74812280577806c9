package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"slices"
	"time"

	"noriter.dev/noriter/internal/lang"
)

// staleness says why a certificate must be issued anew, or "".
func (l leaf) staleness(cert *x509.Certificate, key crypto.Signer, ca authority, now time.Time) string {
	want, err := l.template(now)
	switch {
	case err != nil:
		return err.Error()
	case !samePublicKey(cert.PublicKey, key.Public()):
		return "its key is another one's"
	case cert.CheckSignatureFrom(ca.cert) != nil:
		return "its authority changed"
	case cert.NotAfter.Sub(now) < RenewBefore:
		return "it expires on " + cert.NotAfter.Format(time.DateOnly)
	case now.Before(cert.NotBefore):
		return "it is valid only from " + cert.NotBefore.Format(time.DateOnly)
	case cert.Subject.String() != want.Subject.String():
		return "its subject was " + cert.Subject.String()
	case !sameSet(names(cert), names(want)) || !slices.Equal(cert.ExtKeyUsage, want.ExtKeyUsage):
		return "its names no longer fit"
	}
	return ""
}

// ensureLeaf keeps a certificate that is in order and issues any other.
func (b *Bundle) ensureLeaf(l leaf, ca authority, now time.Time) error {
	cert, key, err := b.readPair(l.file)
	if err != nil {
		return err
	}
	why := "made"
	if cert != nil && key != nil {
		stale := l.staleness(cert, key, ca, now)
		if stale == "" {
			return nil
		}
		why = "renewed, " + stale
	}
	template, err := l.template(now)
	if err != nil {
		return lang.Errorf("pki: issuing %s: %w", "pki: %s 발급: %w", l.file, err)
	}
	if template.NotAfter.After(ca.cert.NotAfter) {
		template.NotAfter = ca.cert.NotAfter
	}
	// A new key each time: renewal is also what ends the use of a stolen one.
	newKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return lang.Errorf("pki: issuing %s: %w", "pki: %s 발급: %w", l.file, err)
	}
	if err := b.writePair(l.file, template, ca.cert, newKey, ca.key); err != nil {
		return err
	}
	b.changed("%s: %s", l.file, why)
	return nil
}

// names are a certificate's names and addresses as text.
func names(c *x509.Certificate) []string {
	all := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	return all
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

func samePublicKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
