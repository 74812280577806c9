// Package images builds the container images that a cluster starts with, so
// that no node ever asks a registry for them: the sandbox's pause process,
// CoreDNS, and what the labs run (busybox, nginx in two versions, a small web
// program in three, a toolbox). One more archive is for the testbed's registry,
// with an image for another processor in it.
//
// Their roots come from Debian's packages and from our own programs. What is
// in an image, and how it is configured, follows the image of the same name
// that everybody knows, so that what works here works there: nginx serves
// /usr/share/nginx/html and logs to its output, busybox has its commands in /bin.
//
// The same inputs give the same bytes: entries are sorted, their times fixed.
// The result lies under CacheDir/images/<hash of all inputs> and is made once.
package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"noriter.dev/noriter/internal/build"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/stock"
)

// recipeVersion is part of the hash; raise it when a recipe or the format changes.
const recipeVersion = "4"

// Options says where to build from and to.
type Options struct {
	// CacheDir holds what was built and what was fetched for it.
	CacheDir string
	// BinDir holds our static programs pause, coredns, nori-ingress and hello, and
	// hello built for another processor.
	BinDir string
	// Mirror is where Debian's packages come from; empty means this host's own
	// default for the suite.
	Mirror string
	// Progress is told each step that takes noticeable time; nil is allowed.
	Progress func(step string)
	// Say is told what a person should know although it is mended; nil is allowed.
	Say func(string)
	// Stock is what came with the programs: what it has is neither fetched nor built.
	Stock stock.Stock

	// fetch brings packages' files and bake makes the images; tests put their own here.
	fetch func(ctx context.Context, o Options, suite, packages string, keep func(path string) bool) (*tree, error)
	bake  func(*inputs) ([]namedImage, error)
}

func (o Options) filled() Options {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
	if o.fetch == nil {
		o.fetch = fetch
	}
	if o.bake == nil {
		o.bake = bake
	}
	return o
}

// Built is one image.
type Built struct {
	// Refs are its names in their full form, such as docker.io/library/busybox:1.37.
	Refs []string `json:"refs"`
	// Digest is that of its manifest, sha256:….
	Digest string `json:"digest"`
	// Size is what its compressed layers take, in bytes; layers may be shared.
	Size int64 `json:"size"`
	// Base says that the cluster itself needs it (it is in Bundle.Base or
	// Bundle.DNS).
	Base bool `json:"base"`
	// Seed says that it is for the testbed's registry only (it is in Bundle.Seed).
	Seed bool `json:"seed,omitempty"`
}

// Bundle is a finished build: OCI archives which `ctr -n k8s.io images import
// --local` takes, and the list of what is in them.
type Bundle struct {
	// Version is the format of the folder, and Nori the one that built it.
	Version int    `json:"version"`
	Nori    string `json:"nori"`
	// Dir is the folder of it all.
	Dir string `json:"-"`
	// All is the path of the archive with every image that nodes get.
	All string `json:"-"`
	// Base is the path of the archive with what every node needs to be Ready
	// (pause), DNS that of what those need that may get the cluster's DNS
	// (coredns); Apps holds the others. Together they are All.
	Base string `json:"-"`
	DNS  string `json:"-"`
	Apps string `json:"-"`
	// Seed is the path of the archive with what the testbed's registry has
	// from the start, each under the name that nodes pull it by.
	Seed string `json:"-"`
	// Images lists the images, in the order of their recipes.
	Images []Built `json:"images"`
}

// makeBundle makes the images in a folder beside dir and renames it into place.
func makeBundle(ctx context.Context, o Options, in *inputs, dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), leftoverPrefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if e, ok := o.Stock.Find(stockPath(dir)); ok {
		err = unpackBundle(ctx, o, e, work)
	} else if err = buildInto(ctx, o, in, work); err != nil {
		err = lang.Errorf("building images: %w", "이미지 빌드: %w", err)
	}
	if err != nil {
		return err
	}
	if err := sealBundle(work); err != nil {
		return err
	}
	if err := os.Chmod(work, 0o755); err != nil {
		return err
	}
	return replace(work, dir)
}

// buildInto makes the images and writes them, and the list of them, into a folder.
func buildInto(ctx context.Context, o Options, in *inputs, work string) error {
	o.Progress(lang.T("building container images", "컨테이너 이미지를 만드는 중"))
	made, err := o.bake(in)
	if err != nil {
		return err
	}
	bundle := Bundle{Version: bundleVersion, Nori: build.Version()}
	archives := map[string][]namedImage{}
	for _, m := range made {
		if err := ctx.Err(); err != nil {
			return err
		}
		built, err := describe(m)
		if err != nil {
			return err
		}
		bundle.Images = append(bundle.Images, built)
		archives[m.archive] = append(archives[m.archive], m)
	}
	archives[allArchive] = slices.Concat(archives[baseArchive], archives[dnsArchive], archives[appsArchive])
	for name, images := range archives {
		if err := writeArchive(filepath.Join(work, name), images); err != nil {
			return lang.Errorf("writing %s: %w", "%s 쓰기: %w", name, err)
		}
	}
	list, err := bundle.list()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(work, listName), list, 0o644)
}

// list is what listName holds.
func (b Bundle) list() ([]byte, error) {
	list, err := json.MarshalIndent(b, "", "  ")
	return append(list, '\n'), err
}

func describe(m namedImage) (Built, error) {
	digest, err := m.image.Digest()
	if err != nil {
		return Built{}, lang.Errorf("image %s: %w", "이미지 %s: %w", m.refs[0], err)
	}
	manifest, err := m.image.Manifest()
	if err != nil {
		return Built{}, lang.Errorf("image %s: %w", "이미지 %s: %w", m.refs[0], err)
	}
	b := Built{Refs: m.refs, Digest: digest.String(), Base: m.archive == baseArchive || m.archive == dnsArchive, Seed: m.archive == seedArchive}
	for _, layer := range manifest.Layers {
		b.Size += layer.Size
	}
	return b, nil
}

// inputs is everything that decides what the images look like.
type inputs struct {
	programs map[string][]byte // name to content
	debian   *tree
	hash     string
}

// gather reads our programs and Debian's files, and hashes the lot.
func gather(ctx context.Context, o Options) (*inputs, error) {
	in := &inputs{programs: map[string][]byte{}}
	sum := sha256.New()
	fmt.Fprintf(sum, "recipe %s %s\n", recipeVersion, runtime.GOARCH)
	for _, name := range []string{"coredns", "hello", foreignProgram, "nori-ingress", "pause"} {
		content, err := os.ReadFile(filepath.Join(o.BinDir, name))
		if err != nil {
			return nil, lang.Errorf("program %s (make it with: make bin/%s): %w", "프로그램 %s (만드는 명령: make bin/%s): %w", name, name, err)
		}
		in.programs[name] = content
		fmt.Fprintf(sum, "program %s %x\n", name, sha256.Sum256(content))
	}
	err := fs.WalkDir(contentFS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := contentFS.ReadFile(path)
		fmt.Fprintf(sum, "content %s %x\n", path, sha256.Sum256(content))
		return err
	})
	if err != nil {
		return nil, err
	}
	if in.debian, err = debianFiles(ctx, o, sum); err != nil {
		return nil, err
	}
	in.debian.mergeUsr()
	in.hash = hex.EncodeToString(sum.Sum(nil))[:16]
	return in, nil
}

// namedImage is an image with its names, on the way to an archive.
type namedImage struct {
	refs    []string
	archive string
	image   v1.Image
}
