// Package registry speaks with the testbed's private registry from the host: it
// pushes images of an archive, and lists what is there. The registry itself is
// in the package server; this one is small, because nori carries it.
package registry

import (
	"archive/tar"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"noriter.dev/noriter/cluster/images"
	"noriter.dev/noriter/internal/lang"
)

// The account that may pull from the private registry. It guards nothing but a
// lesson: pushing, to either, needs another one, of the testbed's own.
const (
	User     = "learner"
	Password = "playground"
	// Htpasswd is the registry's file of accounts: the one above, by bcrypt.
	Htpasswd = User + ":$2a$05$3GdIExCFuFJVvb8wj0xqROr1DTjgw8PslwNzaaWARHX9m5ENSFCYa\n"
)

// Client is a way to both of the registries.
type Client struct {
	// Address is the control node's.
	Address string
	// Dial makes connections; nil is this host's network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// CA is the authority of the private one, in PEM.
	CA []byte
	// Writer and WriterPassword are the account that may push.
	Writer, WriterPassword string
}

// transport dials the control node whatever the name says, because nobody
// resolves the registry's name but those who were told to.
func (c *Client) transport() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	dial := c.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	t.Proxy = nil
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return dial(ctx, network, net.JoinHostPort(c.Address, port))
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(c.CA)
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return t
}

func (c *Client) options(ctx context.Context, registry string) []remote.Option {
	o := []remote.Option{remote.WithContext(ctx), remote.WithTransport(c.transport())}
	if registry == images.PrivateRegistry {
		o = append(o, remote.WithAuth(&authn.Basic{Username: User, Password: Password}))
	}
	return o
}

// parse reads a name and knows which of the two registries speaks HTTP.
func parse(ref string) (name.Reference, error) {
	var o []name.Option
	if strings.HasPrefix(ref, images.OpenRegistry+"/") {
		o = append(o, name.Insecure)
	}
	r, err := name.ParseReference(ref, o...)
	if err != nil {
		return nil, err
	}
	if host := r.Context().RegistryStr(); host != images.OpenRegistry && host != images.PrivateRegistry {
		return nil, lang.Errorf("%s is in neither of the testbed's registries: begin it with %s/ or %s/",
			"%s은(는) 테스트베드의 두 레지스트리 어디에도 속하지 않습니다. %s/ 또는 %s/로 시작하는 이름을 쓰세요", ref, images.OpenRegistry, images.PrivateRegistry)
	}
	return r, nil
}

// Push sends an image under a name in one of the registries; it tells whether
// there was anything to send.
func (c *Client) Push(ctx context.Context, ref string, image v1.Image) (sent bool, err error) {
	r, err := parse(ref)
	if err != nil {
		return false, err
	}
	digest, err := image.Digest()
	if err != nil {
		return false, err
	}
	options := c.options(ctx, r.Context().RegistryStr())
	write := []remote.Option{remote.WithContext(ctx), remote.WithTransport(c.transport()),
		remote.WithAuth(&authn.Basic{Username: c.Writer, Password: c.WriterPassword})}
	if have, err := remote.Head(r, options...); err == nil && have.Digest == digest {
		return false, nil
	}
	if err := remote.Write(r, image, write...); err != nil {
		return false, lang.Errorf("pushing %s: %w", "%s 올리기: %w", ref, err)
	}
	return true, nil
}

// Tag is one image of a registry.
type Tag struct {
	Ref    string `json:"ref"`
	Digest string `json:"digest"`
	// Platform is what it was built for, such as linux/amd64.
	Platform string `json:"platform"`
}

// List tells what both registries have, sorted by name.
func (c *Client) List(ctx context.Context) ([]Tag, error) {
	var all []Tag
	for _, host := range []string{images.OpenRegistry, images.PrivateRegistry} {
		tags, err := c.list(ctx, host)
		if err != nil {
			return nil, lang.Errorf("listing %s: %w", "%s 목록 조회: %w", host, err)
		}
		all = append(all, tags...)
	}
	return all, nil
}

func (c *Client) list(ctx context.Context, host string) ([]Tag, error) {
	var o []name.Option
	if host == images.OpenRegistry {
		o = append(o, name.Insecure)
	}
	registry, err := name.NewRegistry(host, o...)
	if err != nil {
		return nil, err
	}
	options := c.options(ctx, host)
	repositories, err := remote.Catalog(ctx, registry, options...)
	if err != nil {
		return nil, err
	}
	slices.Sort(repositories)
	var found []Tag
	for _, repository := range repositories {
		tags, err := remote.List(registry.Repo(repository), options...)
		if err != nil {
			return nil, err
		}
		slices.Sort(tags)
		for _, t := range tags {
			tag, err := look(registry.Repo(repository).Tag(t), options)
			if err != nil {
				return nil, err
			}
			found = append(found, tag)
		}
	}
	return found, nil
}

func look(ref name.Tag, options []remote.Option) (Tag, error) {
	d, err := remote.Get(ref, options...)
	if err != nil {
		return Tag{}, err
	}
	tag := Tag{Ref: ref.Name(), Digest: d.Digest.String()}
	if !d.MediaType.IsImage() {
		tag.Platform = "several"
		return tag, nil
	}
	image, err := d.Image()
	if err != nil {
		return Tag{}, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return Tag{}, err
	}
	tag.Platform = config.OS + "/" + config.Architecture
	return tag, nil
}

// Archive calls do with every image of an archive of this project's kind (an
// OCI layout in a tar file), once for each of its names by tag.
func Archive(path string, do func(ref string, image v1.Image) error) error {
	dir, err := os.MkdirTemp("", "noriter-images-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := unpack(path, dir); err != nil {
		return lang.Errorf("unpacking %s: %w", "%s 풀기: %w", path, err)
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return lang.Errorf("%s is no OCI archive: %w", "%s은(는) OCI 아카이브가 아닙니다: %w", path, err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return lang.Errorf("reading the index of %s: %w", "%s의 인덱스 읽기: %w", path, err)
	}
	for _, m := range manifest.Manifests {
		ref := m.Annotations[images.AnnotationName]
		if ref == "" || strings.Contains(ref, "@") {
			continue
		}
		image, err := index.Image(m.Digest)
		if err != nil {
			return lang.Errorf("reading %s: %w", "%s 읽기: %w", ref, err)
		}
		if err := do(ref, image); err != nil {
			return err
		}
	}
	return nil
}

// maxFile bounds a file of an archive, in bytes.
const maxFile = 4 << 30

// unpack writes the files of a tar file below dir, and nothing elsewhere.
func unpack(path, dir string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue // a layout has nothing but files; their folders are made below
		}
		if err := write(root, filepath.Clean(h.Name), tr); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
}

func write(root *os.Root, path string, r io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	out, err := root.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, fs.FileMode(0o644))
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.LimitReader(r, maxFile))
	return errors.Join(err, out.Close())
}
