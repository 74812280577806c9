package ingress

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
)

// addTLS gives a host the certificate that an Ingress names for it; the first
// Ingress that has one decides. A host of an Ingress with a tls section is
// served by TLS whatever is wrong with the Secret, by the controller's own
// certificate then: a browser that warns says more than a connection refused.
func (b *builder) addTLS(h *host, r *ruled) {
	if len(r.Spec.TLS) == 0 || h.name == "" || h.tls {
		return
	}
	h.tls = true
	secret := b.secretFor(h.name, r)
	if secret == "" {
		return
	}
	ref := r.Namespace + "/" + secret
	c, err := b.certificate(ref, h.name)
	if err != nil {
		b.problem(r.Ingress, reasonCertificate, "Error getting SSL certificate %q: %v. Using default certificate", ref, err)
		return
	}
	b.certificates[c.Name] = c
	h.certificate = c.Name
}

// secretFor finds the Secret for a host: by the entry that lists it, or else
// by a certificate that is valid for it.
func (b *builder) secretFor(host string, r *ruled) string {
	for _, t := range r.Spec.TLS {
		for _, listed := range t.Hosts {
			if strings.EqualFold(listed, host) {
				return t.SecretName
			}
		}
	}
	for _, t := range r.Spec.TLS {
		if _, err := b.certificate(r.Namespace+"/"+t.SecretName, host); t.SecretName != "" && err == nil {
			return t.SecretName
		}
	}
	return ""
}

// certificate reads a Secret of type kubernetes.io/tls and holds it against the
// host.
func (b *builder) certificate(ref, host string) (certificate, error) {
	secret := b.world.Secrets[ref]
	if secret == nil {
		return certificate{}, fmt.Errorf("local SSL certificate %s was not found", ref)
	}
	chain, private := secret.Data[v1.TLSCertKey], secret.Data[v1.TLSPrivateKeyKey]
	if len(chain) == 0 || len(private) == 0 {
		return certificate{}, fmt.Errorf("secret %q contains no keypair (%s and %s)", ref, v1.TLSCertKey, v1.TLSPrivateKeyKey)
	}
	pair, err := tls.X509KeyPair(chain, private)
	if err != nil {
		return certificate{}, err
	}
	if pair.Leaf == nil {
		return certificate{}, errors.New("it has no certificate")
	}
	if err := verifyHost(pair.Leaf, host); err != nil {
		return certificate{}, err
	}
	content, err := reencodePEM(chain, private)
	if err != nil {
		return certificate{}, err
	}
	sum := sha256.Sum256(content)
	file := strings.ReplaceAll(ref, "/", "-") + "-" + hex.EncodeToString(sum[:6]) + ".pem"
	return certificate{Name: file, PEM: content}, nil
}

// verifyHost takes the common name, too, where there are no other names, as
// ingress-nginx does: many a tutorial's certificate has nothing else.
func verifyHost(leaf *x509.Certificate, host string) error {
	probe := strings.Replace(host, "*.", "wildcard-of.", 1)
	err := leaf.VerifyHostname(probe)
	if err != nil && len(leaf.DNSNames) == 0 && len(leaf.IPAddresses) == 0 {
		byName := *leaf
		byName.DNSNames = []string{leaf.Subject.CommonName}
		// VerifyHostname looks at names only if the extension is there.
		byName.Extensions = append(byName.Extensions[:len(byName.Extensions):len(byName.Extensions)],
			pkix.Extension{Id: []int{2, 5, 29, 17}})
		return byName.VerifyHostname(probe)
	}
	return err
}

// reencodePEM re-encodes what is PEM in the two and drops everything around it, which nginx
// would have to read, and might read differently.
func reencodePEM(parts ...[]byte) ([]byte, error) {
	var out bytes.Buffer
	for _, rest := range parts {
		for {
			var block *pem.Block
			block, rest = pem.Decode(rest)
			if block == nil {
				break
			}
			if err := pem.Encode(&out, &pem.Block{Type: block.Type, Bytes: block.Bytes}); err != nil {
				return nil, err
			}
		}
	}
	return out.Bytes(), nil
}
