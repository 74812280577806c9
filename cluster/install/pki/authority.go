package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"path/filepath"
	"time"

	"noriter.dev/noriter/internal/lang"
)

// The authorities' files and common names, which are kubeadm's. The registry's
// is nobody's: no node trusts it until somebody sees to it.
const (
	clusterCA    = "ca"
	frontProxyCA = "front-proxy-ca"
	etcdCA       = "etcd/ca"
	registryCA   = "registry/ca"
)

var authorityNames = []struct{ file, name string }{
	{clusterCA, "kubernetes"},
	{frontProxyCA, "front-proxy-ca"},
	{etcdCA, "etcd-ca"},
	{registryCA, "registry-ca"},
}

// authority is something that signs.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// ensureAuthorities loads or makes the four authorities. They are apart so
// that a client certificate of the cluster opens neither etcd nor the door for
// front proxies, whose word about a user's name is believed.
func (b *Bundle) ensureAuthorities(now time.Time) (map[string]authority, error) {
	cas := map[string]authority{}
	for _, a := range authorityNames {
		ca, err := b.ensureAuthority(a.file, a.name, now)
		if err != nil {
			return nil, err
		}
		cas[a.file] = ca
	}
	return cas, nil
}

// ensureAuthority loads an authority, or makes it. One that nears its end, or
// whose certificate is missing, gets a new certificate for the same key, so
// that what it signed stays valid.
func (b *Bundle) ensureAuthority(file, name string, now time.Time) (authority, error) {
	cert, key, err := b.readPair(file)
	if err != nil {
		return authority{}, err
	}
	path := filepath.Join(b.dir, file)
	why := "made"
	switch {
	case cert != nil && key == nil:
		return authority{}, lang.Errorf("pki: %[1]s.crt is there but its key %[1]s.key is missing: put the key back, or move the certificate away, `%[2]s`, and run again to start with a new authority",
			"pki: %[1]s.crt는 있는데 그 키 %[1]s.key가 없습니다. 키를 되돌려 놓거나, `%[2]s` 명령으로 인증서를 옮기고 다시 실행해 새 인증 기관으로 시작하세요", path, moveAway(path+".crt"))
	case cert != nil && !samePublicKey(cert.PublicKey, key.Public()):
		return authority{}, lang.Errorf("pki: %[1]s.key is not the key of %[1]s.crt: put the right one back, or move both away, `%[2]s`, and run again to start with a new authority",
			"pki: %[1]s.key는 %[1]s.crt의 키가 아닙니다. 맞는 키를 되돌려 놓거나, `%[2]s` 명령으로 둘 다 옮기고 다시 실행해 새 인증 기관으로 시작하세요", path, moveAway(path+".crt", path+".key"))
	case cert != nil && !cert.IsCA:
		return authority{}, lang.Errorf("pki: %s.crt is no certificate authority: put the right file back, or move it away, `%s`, and run again",
			"pki: %s.crt는 인증 기관(CA)의 인증서가 아닙니다. 맞는 파일을 되돌려 놓거나, `%s` 명령으로 옮기고 다시 실행하세요", path, moveAway(path+".crt"))
	case cert != nil && cert.NotAfter.Sub(now) >= RenewBefore:
		return authority{cert, key}, nil
	case cert != nil:
		why = "renewed, it expires on " + cert.NotAfter.Format(time.DateOnly)
	}
	if key == nil {
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return authority{}, lang.Errorf("pki: making %s: %w", "pki: %s 만들기: %w", path, err)
		}
	}
	template, err := authorityTemplate(name, now)
	if err != nil {
		return authority{}, lang.Errorf("pki: making %s: %w", "pki: %s 만들기: %w", path, err)
	}
	if err := b.writePair(file, template, template, key, key); err != nil {
		return authority{}, err
	}
	b.changed("%s: %s", file, why)
	cert, err = parseCert(b.content[file+".crt"])
	return authority{cert, key}, err
}

func authorityTemplate(name string, now time.Time) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(CALifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}, nil
}
