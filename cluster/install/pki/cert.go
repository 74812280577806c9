package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/shell"
)

// leaf is one certificate that the cluster needs.
type leaf struct {
	// file is the path without its ending; .crt and .key are beside each other.
	file string
	// ca is the authority's file, likewise.
	ca string
	// name and org are the subject: user and group in Kubernetes' eyes.
	name, org string
	// dns and ips are the names a server is reached by; empty for clients.
	dns []string
	ips []net.IP
	// client and server say what it may be used for.
	client, server bool
}

// usages are the extended key usages of RFC 5280 section 4.2.1.12.
func (l leaf) usages() []x509.ExtKeyUsage {
	var u []x509.ExtKeyUsage
	if l.server {
		u = append(u, x509.ExtKeyUsageServerAuth)
	}
	if l.client {
		u = append(u, x509.ExtKeyUsageClientAuth)
	}
	return u
}

// template is the certificate to be signed.
func (l leaf) template(now time.Time) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	subject := pkix.Name{CommonName: l.name}
	if l.org != "" {
		subject.Organization = []string{l.org}
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      subject,
		DNSNames:     l.dns,
		IPAddresses:  l.ips,
		NotBefore:    now.Add(-backdate),
		NotAfter:     now.Add(Lifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  l.usages(),
	}, nil
}

// writePair signs a certificate and writes it after its key, so that a
// certificate on disk always has its key beside it.
func (b *Bundle) writePair(file string, template, parent *x509.Certificate, key, signer crypto.Signer) error {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return lang.Errorf("pki: signing %s: %w", "pki: %s 서명: %w", file, err)
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return lang.Errorf("pki: writing %s.key: %w", "pki: %s.key 쓰기: %w", file, err)
	}
	if err := b.write(file+".key", keyPEM); err != nil {
		return err
	}
	return b.write(file+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// readPair reads a certificate and its key; either is nil if its file is
// missing.
func (b *Bundle) readPair(file string) (*x509.Certificate, crypto.Signer, error) {
	certPEM, err := b.read(file + ".crt")
	if err != nil {
		return nil, nil, err
	}
	keyPEM, err := b.read(file + ".key")
	if err != nil {
		return nil, nil, err
	}
	var cert *x509.Certificate
	if certPEM != nil {
		if cert, err = parseCert(certPEM); err != nil {
			return nil, nil, b.garbage(file+".crt", lang.Text{EN: "a PEM certificate", KO: "PEM 인증서"}, err)
		}
	}
	var key crypto.Signer
	if keyPEM != nil {
		if key, err = parseKey(keyPEM); err != nil {
			return nil, nil, b.garbage(file+".key", pemKey, err)
		}
	}
	return cert, key, nil
}

// pemKey is what a file of a key has to be.
var pemKey = lang.Text{EN: "a PEM private key", KO: "PEM 개인 키"}

// garbage is the error for a file that can't be understood.
func (b *Bundle) garbage(file string, want lang.Text, err error) error {
	path := filepath.Join(b.dir, file)
	return lang.Errorf("pki: %s is not %s (%w): put the right file back, or move it away, `%s`, and run again to have a new one made",
		"pki: %s은(는) %s이(가) 아닙니다(%w). 맞는 파일을 되돌려 놓거나, `%s` 명령으로 옮기고 다시 실행하면 새로 만듭니다", path, want, err, moveAway(path))
}

// moveAway is the command for a file that is in the way.
func moveAway(paths ...string) string {
	var commands []string
	for _, p := range paths {
		commands = append(commands, "mv "+shell.Join(p, p+".old"))
	}
	return strings.Join(commands, " && ")
}

// parseCert reads the first certificate of a PEM file.
func parseCert(data []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, lang.Errorf("no PEM block in %d bytes", "%d바이트 안에 PEM 블록이 없습니다", len(data))
	}
	if block.Type != "CERTIFICATE" {
		return nil, lang.Errorf("the PEM block is a %s", "PEM 블록이 %s입니다", block.Type)
	}
	return x509.ParseCertificate(block.Bytes)
}

// parseKey reads a private key in PKCS #8 or in RFC 5915's form.
func parseKey(data []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, lang.Errorf("no PEM block in %d bytes", "%d바이트 안에 PEM 블록이 없습니다", len(data))
	}
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, lang.Errorf("the PEM block is a %s", "PEM 블록이 %s입니다", block.Type)
	}
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, lang.Errorf("a %T can't sign", "%T(으)로는 서명할 수 없습니다", key)
	}
	return signer, nil
}

// encodeKey writes a key as PKCS #8.
func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// newSerial is a random serial number of at most 127 bits.
func newSerial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, lang.Errorf("choosing a serial number: %w", "일련번호 고르기: %w", err)
	}
	return n, nil
}
