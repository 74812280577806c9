package testbed

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"noriter.dev/noriter/cluster/images"
	"noriter.dev/noriter/cluster/install/pki"
	"noriter.dev/noriter/cluster/registry"
	"noriter.dev/noriter/internal/lang"
)

// The places of an image.
const (
	OnNodes    = "nodes"
	InRegistry = "registry"
)

// Image is one container image by one of its names.
type Image struct {
	Ref      string `json:"ref"`
	Where    string `json:"where"` // OnNodes or InRegistry
	Platform string `json:"platform"`
	Digest   string `json:"digest"`
}

// Images lists what every node gets from `nori up`, and what the registry has now.
func (t *Testbed) Images(ctx context.Context, binDir string) ([]Image, error) {
	bundle, err := t.home.containerImages(ctx, binDir, func(string) {})
	if err != nil {
		return nil, err
	}
	var all []Image
	for _, i := range bundle.Images {
		if i.Seed {
			continue
		}
		for _, ref := range i.Refs {
			all = append(all, Image{Ref: ref, Where: OnNodes, Platform: "linux/" + runtime.GOARCH, Digest: i.Digest})
		}
	}
	client, err := t.registry()
	if err != nil {
		return nil, err
	}
	tags, err := client.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, tag := range tags {
		all = append(all, Image{Ref: tag.Ref, Where: InRegistry, Platform: tag.Platform, Digest: tag.Digest})
	}
	return all, nil
}

// PushImage sends an image to the registry: one that is shipped, by its name,
// or an archive of one image, by its path (it ends in .tar). It returns the
// name it got and whether there was anything to send.
func (t *Testbed) PushImage(ctx context.Context, binDir, source, as string) (ref string, sent bool, err error) {
	client, err := t.registry()
	if err != nil {
		return "", false, err
	}
	archive := strings.HasSuffix(source, ".tar")
	if archive && as == "" {
		return "", false, usage("%s is a file: say by which name nodes will pull it, such as team/web:v1", "%s은(는) 파일입니다. 노드가 어떤 이름으로 받을지 알려 주세요. 예: team/web:v1", source)
	}
	ref = registryName(cmp.Or(as, source))
	if _, err := name.ParseReference(ref); err != nil {
		return "", false, usage("%q is no name of an image, such as team/web:v1: %w", "%q은(는) team/web:v1 같은 이미지 이름이 아닙니다: %w", cmp.Or(as, source), err)
	}
	push := func(image v1.Image) (err error) {
		sent, err = client.Push(ctx, ref, image)
		return err
	}
	if !archive {
		err = shipped(ctx, t.home, binDir, source, push)
		return ref, sent, err
	}
	image, err := tarball.ImageFromPath(source, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, usage("there is no file %s", "파일 %s이(가) 없습니다", source)
	}
	if err != nil {
		return "", false, lang.Errorf("reading %s (it must be an archive of one image, as `docker save` writes it): %w", "%s 읽기 (`docker save`로 만든, 이미지 하나의 아카이브여야 합니다): %w", source, err)
	}
	err = push(image)
	return ref, sent, err
}

// shipped hands the image of that name to do.
func shipped(ctx context.Context, home Home, binDir, name string, do func(v1.Image) error) error {
	bundle, err := home.containerImages(ctx, binDir, func(string) {})
	if err != nil {
		return err
	}
	wanted, found := images.Full(name), false
	err = registry.Archive(bundle.All, func(ref string, image v1.Image) error {
		if ref != wanted || found {
			return nil
		}
		found = true
		return do(image)
	})
	if err == nil && !found {
		return usage("no image is called %s; `nori image list` shows those that nodes have", "%s(이)라는 이미지가 없습니다. `nori image list`가 노드에 있는 것을 보여 줍니다", name)
	}
	return err
}

// registryName puts a name without a registry into the open one.
func registryName(name string) string {
	if strings.HasPrefix(name, images.RegistryHost+":") {
		return name
	}
	return images.OpenRegistry + "/" + name
}

// registry is the way to the testbed's registry.
func (t *Testbed) registry() (*registry.Client, error) {
	ca, err := os.ReadFile(filepath.Join(t.Dir(), "pki", "registry", "ca.crt"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, lang.Errorf("testbed %q has no registry yet; `%s` adds it", "테스트베드 %q에는 아직 레지스트리가 없습니다. `%s` 명령이 만듭니다", t.Name(), t.Command("up"))
	}
	if err != nil {
		return nil, err
	}
	// A registry of an earlier version asks for none.
	password, err := os.ReadFile(filepath.Join(t.Dir(), "pki", pki.RegistryPassword))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return &registry.Client{
		Address: t.nodes()[0].Address.String(), Dial: t.Dialer(), CA: ca, Writer: pki.RegistryUser, WriterPassword: string(password),
	}, nil
}
