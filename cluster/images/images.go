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
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"noriter.dev/noriter/internal/lang"
)

// recipeVersion is part of the hash; raise it when a recipe or the format changes.
const recipeVersion = "3"

// keepBuilds is how many builds stay in the cache: the newest, and those that
// somebody who started a moment earlier may be sending to nodes.
const keepBuilds = 3

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

// Build returns the bundle, building it unless it is there. Two builds at the
// same time don't disturb each other: the one that is done first wins.
func Build(ctx context.Context, o Options) (*Bundle, error) {
	if o.CacheDir == "" || o.BinDir == "" {
		return nil, errors.New("building images: CacheDir and BinDir must be set")
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	in, err := gather(ctx, o)
	if err != nil {
		return nil, lang.Errorf("gathering what images are built from: %w", "이미지 재료 모으기: %w", err)
	}
	dir := filepath.Join(o.CacheDir, "images", in.hash)
	if b, err := Open(dir); err == nil {
		return b, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := build(ctx, o, in, dir); err != nil {
		return nil, lang.Errorf("building images: %w", "이미지 빌드: %w", err)
	}
	if err := prune(filepath.Dir(dir), keepBuilds); err != nil {
		return nil, lang.Errorf("removing old builds of images: %w", "오래된 이미지 빌드 삭제: %w", err)
	}
	return Open(dir)
}

// Open reads a finished build. Without one the error is fs.ErrNotExist.
func Open(dir string) (*Bundle, error) {
	list, err := os.ReadFile(filepath.Join(dir, "images.json"))
	if err != nil {
		return nil, lang.Errorf("reading the list of images: %w", "이미지 목록 읽기: %w", err)
	}
	b := &Bundle{
		Dir:  dir,
		All:  filepath.Join(dir, "images.tar"),
		Base: filepath.Join(dir, baseArchive),
		DNS:  filepath.Join(dir, dnsArchive),
		Apps: filepath.Join(dir, appsArchive),
		Seed: filepath.Join(dir, seedArchive),
	}
	if err := json.Unmarshal(list, b); err != nil {
		return nil, lang.Errorf("the list of images in %s is damaged (remove the folder, it will be built again): %w",
			"%s의 이미지 목록이 손상되었습니다 (폴더를 지우면 다시 빌드합니다): %w", dir, err)
	}
	for _, path := range []string{b.All, b.Base, b.DNS, b.Apps, b.Seed} {
		if _, err := os.Stat(path); err != nil {
			// Not wrapped: to the caller, fs.ErrNotExist means that there is no build.
			return nil, lang.Errorf("a build of images is incomplete (remove %s, it will be built again): %v", "이미지 빌드가 온전하지 않습니다 (%s을(를) 지우면 다시 빌드합니다): %v", dir, err)
		}
	}
	return b, nil
}

// build makes the images in a folder beside dir and renames it into place.
func build(ctx context.Context, o Options, in *inputs, dir string) error {
	o.Progress(lang.T("building container images", "컨테이너 이미지를 만드는 중"))
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), ".building-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)

	made, err := bake(in)
	if err != nil {
		return err
	}
	bundle := Bundle{}
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
	archives["images.tar"] = slices.Concat(archives[baseArchive], archives[dnsArchive], archives[appsArchive])
	for name, images := range archives {
		if err := writeArchive(filepath.Join(work, name), images); err != nil {
			return lang.Errorf("writing %s: %w", "%s 쓰기: %w", name, err)
		}
	}
	list, err := json.MarshalIndent(bundle, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(work, "images.json"), append(list, '\n'), 0o644); err != nil {
		return err
	}
	if err := os.Chmod(work, 0o755); err != nil {
		return err
	}
	if err := os.Rename(work, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return lang.Errorf("putting the finished images in place: %w", "완성된 이미지를 제자리에 두기: %w", err)
	}
	return nil
}

// prune removes all finished builds under dir but the newest.
func prune(dir string, keep int) error {
	lists, err := filepath.Glob(filepath.Join(dir, "*", "images.json"))
	if err != nil || len(lists) <= keep {
		return err
	}
	made := map[string]time.Time{}
	for _, list := range lists {
		info, err := os.Stat(list)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another build prunes, too
		}
		if err != nil {
			return err
		}
		made[list] = info.ModTime()
	}
	slices.SortFunc(lists, func(a, b string) int { return made[b].Compare(made[a]) })
	for _, list := range lists[keep:] {
		if err := os.RemoveAll(filepath.Dir(list)); err != nil {
			return err
		}
	}
	return nil
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
	archive, err := debianFiles(ctx, o)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if in.debian, err = readTree(io.TeeReader(f, sum), keepAll); err != nil {
		return nil, lang.Errorf("reading %s (remove it, it will be fetched again): %w", "%s 읽기 (지우면 다시 받습니다): %w", archive, err)
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
