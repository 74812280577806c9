package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/shell"
)

// serviceAccountKey signs service-account tokens; the public half checks them.
const serviceAccountKey = "sa"

// ensureServiceAccountKey makes the pair once. It is never renewed by itself:
// with a new key, every token in use would be refused.
func (b *Bundle) ensureServiceAccountKey() error {
	data, err := b.read(serviceAccountKey + ".key")
	if err != nil {
		return err
	}
	if data == nil && b.used() {
		return b.lost(serviceAccountKey+".key", CertDir, lang.Errorf("it is missing", "파일이 없습니다"))
	}
	if data == nil {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return lang.Errorf("pki: making the service-account key: %w", "pki: 서비스 어카운트 키 만들기: %w", err)
		}
		if data, err = encodeKey(key); err != nil {
			return lang.Errorf("pki: making the service-account key: %w", "pki: 서비스 어카운트 키 만들기: %w", err)
		}
		if err := b.write(serviceAccountKey+".key", data); err != nil {
			return err
		}
		b.changed("%s: made", serviceAccountKey)
	}
	key, err := parseKey(data)
	if err != nil {
		return b.lost(serviceAccountKey+".key", CertDir, err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return lang.Errorf("pki: writing the service-account public key: %w", "pki: 서비스 어카운트 공개 키 쓰기: %w", err)
	}
	pub := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	if old, err := b.read(serviceAccountKey + ".pub"); err != nil || string(old) == string(pub) {
		return err
	}
	return b.write(serviceAccountKey+".pub", pub)
}

// encryptionFile tells the API server how Secrets lie in etcd.
const encryptionFile = "encryption.yaml"

// encryptionConfig is the part of apiserver.config.k8s.io/v1
// EncryptionConfiguration that is used here.
type encryptionConfig struct {
	APIVersion string               `json:"apiVersion"`
	Kind       string               `json:"kind"`
	Resources  []encryptedResources `json:"resources"`
}

type encryptedResources struct {
	Resources []string             `json:"resources"`
	Providers []encryptionProvider `json:"providers"`
}

type encryptionProvider struct {
	Secretbox *encryptionKeys `json:"secretbox,omitempty"`
	// Identity is last: it reads what was stored before encryption was on.
	Identity *struct{} `json:"identity,omitempty"`
}

type encryptionKeys struct {
	Keys []encryptionKey `json:"keys"`
}

type encryptionKey struct {
	Name string `json:"name"`
	// Secret is 32 random bytes in base64.
	Secret string `json:"secret"`
}

// ensureEncryption makes the key for Secrets at rest, once. Its loss is the
// loss of every Secret, so it is never replaced.
func (b *Bundle) ensureEncryption() error {
	data, err := b.read(encryptionFile)
	if err != nil {
		return err
	}
	if data != nil {
		return b.checkEncryption(data)
	}
	if b.used() {
		return b.lost(encryptionFile, Dir, lang.Errorf("it is missing", "파일이 없습니다"))
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return lang.Errorf("pki: making the key for Secrets at rest: %w", "pki: 저장된 시크릿을 암호화할 키 만들기: %w", err)
	}
	key := encryptionKey{Name: "key1", Secret: base64.StdEncoding.EncodeToString(secret)}
	data, err = yaml.Marshal(encryptionConfig{
		APIVersion: "apiserver.config.k8s.io/v1",
		Kind:       "EncryptionConfiguration",
		Resources: []encryptedResources{{
			Resources: []string{"secrets"},
			Providers: []encryptionProvider{
				{Secretbox: &encryptionKeys{Keys: []encryptionKey{key}}},
				{Identity: &struct{}{}},
			},
		}},
	})
	if err != nil {
		return lang.Errorf("pki: writing %s: %w", "pki: %s 쓰기: %w", encryptionFile, err)
	}
	b.changed("encryption: made")
	return b.write(encryptionFile, data)
}

// checkEncryption refuses a file that would leave the API server unable to
// start, or Secrets in the clear. Other providers than ours are accepted.
func (b *Bundle) checkEncryption(data []byte) error {
	var got struct {
		Kind      string `json:"kind"`
		Resources []struct {
			Resources []string         `json:"resources"`
			Providers []map[string]any `json:"providers"`
		} `json:"resources"`
	}
	if err := yaml.Unmarshal(data, &got); err != nil {
		return b.lost(encryptionFile, Dir, err)
	}
	if got.Kind != "EncryptionConfiguration" {
		return b.lost(encryptionFile, Dir, lang.Errorf("its kind is %q", "kind가 %q입니다", got.Kind))
	}
	for _, r := range got.Resources {
		for _, name := range r.Resources {
			if name == "secrets" && len(r.Providers) > 0 {
				return nil
			}
		}
	}
	return b.lost(encryptionFile, Dir, lang.Errorf("no provider for secrets in it", "secrets의 프로바이더가 없습니다"))
}

// used says that a cluster may have been made of this folder: there is an authority.
func (b *Bundle) used() bool {
	for _, ending := range []string{".crt", ".key"} {
		if _, err := os.Stat(filepath.Join(b.dir, clusterCA+ending)); err == nil {
			return true
		}
	}
	return false
}

// lost is the error for a file that is not made anew, since the cluster that is there
// could not do without it. The control node has a copy, in the folder given.
func (b *Bundle) lost(file, on string, err error) error {
	path := filepath.Join(b.dir, file)
	return lang.Errorf("pki: %s can't be used: %w. The control node has a copy: `nori ssh --name %s %s -- cat %s > %s`, then run again",
		"pki: %s을(를) 쓸 수 없습니다: %w. 컨트롤 플레인 노드에 사본이 있습니다. `nori ssh --name %s %s -- cat %s > %s` 명령을 실행한 다음 다시 시도하세요",
		path, err, b.cluster.Name, b.cluster.ControlName, on+"/"+file, shell.Quote(path))
}
