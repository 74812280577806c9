package install

import (
	"context"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"noriter.dev/noriter/cluster/install/pki"
	"noriter.dev/noriter/cluster/registry"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
)

// startRegistry starts the registry on the control node and pushes what it is
// to have from the start. What is there already is not sent again.
func (c *Cluster) startRegistry(ctx context.Context, note func(string)) error {
	if err := c.startControl(ctx, unitRegistry); err != nil {
		return err
	}
	if c.SeedImages == "" {
		return nil
	}
	client, n := c.Registry(), 0
	err := registry.Archive(c.SeedImages, func(ref string, image v1.Image) error {
		n++
		return wait.During(ctx, lang.Textf("the registry to take %s", "레지스트리에 %s 올리기", ref), nil, func(ctx context.Context) error {
			_, err := client.Push(ctx, ref, image)
			return err
		})
	})
	if err != nil {
		return lang.Errorf("filling the registry: %w", "레지스트리 채우기: %w", err)
	}
	note(lang.Textf("%d images", "이미지 %d개", n).String())
	return nil
}

// Registry is the way to the registry from this host. The certificates must
// have been made.
func (c *Cluster) Registry() *registry.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &registry.Client{Address: c.Control().Address.String(), Dial: c.Dial, CA: c.bundle.RegistryCA(), Writer: pki.RegistryUser, WriterPassword: c.bundle.RegistryPassword()}
}
