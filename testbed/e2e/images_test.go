package e2e

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// image is one line of `nori image list -o json`.
type image struct{ Ref, Where, Platform, Digest string }

// listed is `nori image list`, by the registry's names.
func listed(t *testing.T, b *bed) map[string]image {
	t.Helper()
	var all []image
	if err := json.Unmarshal([]byte(b.nori("image", "list", "-o", "json")), &all); err != nil {
		t.Fatal(err)
	}
	found := map[string]image{}
	for _, i := range all {
		if i.Where == "registry" {
			found[i.Ref] = i
		}
	}
	return found
}

// foreign is an image for another processor, which no node has.
func foreign(t *testing.T) v1.Image {
	t.Helper()
	i, err := random.Image(1<<20, 2)
	if err != nil {
		t.Fatal(err)
	}
	config, err := i.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", "arm64"
	if i, err = mutate.ConfigFile(i, config); err != nil {
		t.Fatal(err)
	}
	return i
}

// testImages pushes a shipped image and an archive into the registry, and what
// can't be pushed.
func testImages(t *testing.T, b *bed) {
	const web, own = "registry.noriter.test:5000/team/web:e2e", "registry.noriter.test:5000/team/own:v1"
	if out := b.nori("image", "push", "nginx:1.26", "team/web:e2e"); out != "pushed "+web+"\n" {
		t.Errorf("push said %q", out)
	}
	if out := b.nori("image", "push", "nginx:1.26", "team/web:e2e"); out != web+" is there already\n" {
		t.Errorf("a second push said %q", out)
	}
	made := foreign(t)
	archive := filepath.Join(t.TempDir(), "own.tar")
	if err := tarball.WriteToFile(archive, name.MustParseReference("whatever:1"), made); err != nil {
		t.Fatal(err)
	}
	b.nori("image", "push", archive, "team/own:v1")
	have := listed(t, b)
	digest, err := made.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if i := have[own]; i.Platform != "linux/arm64" || i.Digest != digest.String() {
		t.Errorf("the archive is listed as %+v, want linux/arm64 %s", i, digest)
	}
	if i := have[web]; i.Platform == "" || i.Digest == "" {
		t.Errorf("the shipped image is not listed: %v", have)
	}
	for _, wrong := range [][]string{{"nosuch:v1"}, {archive}, {archive + ".tar", "team/x:v1"}, {"nginx:1.26", "Team/UPPER"}} {
		if out, err := b.try(20*time.Second, append([]string{"image", "push"}, wrong...)...); exitCode(err) != 2 {
			t.Errorf("push %v: %v %s", wrong, err, out)
		}
	}
}
