// Package image builds the one node image from Debian's packages: a folder
// tree that container machines boot from, and a kernel, an initrd and a disk
// made of the same tree for virtual machines.
//
// Nothing of Noriter is baked in. An image is built once per recipe, kept in
// the cache, and named by a hash of the recipe; a half-built one is never used.
package image

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"noriter.dev/noriter/internal/lang"
)

// Options says where images are kept and who hears of the progress.
type Options struct {
	// CacheDir holds the images, in a sub-folder "image".
	CacheDir string
	// Progress is called with one line per step; nil is silence.
	Progress func(string)

	// build makes the root; tests put their own here.
	build func(ctx context.Context, r recipe, work string, say func(string)) error
}

// DefaultCacheDir is where root keeps images.
const DefaultCacheDir = "/var/lib/noriter/cache"

// Image is a complete node image.
type Image struct {
	// ID names the recipe.
	ID string
	// Dir is the image's folder.
	Dir string
	// Root is the folder tree for container machines. It is shared by all of
	// them and never written to.
	Root string
	// Kernel and Initrd are for a VM's direct boot, with
	// "root=/dev/vda rw console=ttyS0" as the command line.
	Kernel, Initrd string
	// Disk is where EnsureDisk puts the VMs' disk: qcow2, one ext4 file
	// system without a partition table.
	Disk string

	progress func(string)
}

// Find gives the image of the present recipe, if the cache has it.
func Find(cacheDir string) (Image, bool) {
	img := imageAt(cacheDir, defaultRecipe().id())
	return img, img.checkComplete() == nil
}

// Open gives the image of an ID that was built before; machines stay on the
// image they were made from when the recipe changes.
func Open(cacheDir, id string) (Image, error) {
	img := imageAt(cacheDir, id)
	if id == "" {
		return img, lang.Errorf("the testbed has no machine image yet: `nori up` makes one",
			"테스트베드에 아직 머신 이미지가 없습니다: `nori up`이 만듭니다")
	}
	if err := img.checkComplete(); err != nil {
		return img, lang.Errorf("machine image %s: %w", "머신 이미지 %s: %w", id, err)
	}
	return img, nil
}

func imageAt(cacheDir, id string) Image {
	dir := filepath.Join(cacheDir, "image", id)
	return Image{
		ID: id, Dir: dir,
		Root:   filepath.Join(dir, "root"),
		Kernel: filepath.Join(dir, "vmlinuz"),
		Initrd: filepath.Join(dir, "initrd"),
		Disk:   filepath.Join(dir, "disk.qcow2"),
	}
}

// checkComplete says what of a finished image is missing.
func (i Image) checkComplete() error {
	m, err := i.Manifest()
	if err != nil {
		return err
	}
	if m.ID != i.ID {
		return lang.Errorf("%s: the manifest names image %q", "%s: 매니페스트에 적힌 이미지는 %q입니다", i.Dir, m.ID)
	}
	for name, size := range m.Files {
		fi, err := os.Stat(filepath.Join(i.Dir, name))
		if err != nil {
			return lang.Errorf("checking the image: %w", "이미지 확인: %w", err)
		}
		if fi.Size() != size {
			return lang.Errorf("%s/%s has %d bytes, the manifest says %d",
				"%s/%s의 크기가 %d바이트인데 매니페스트에는 %d바이트로 적혀 있습니다", i.Dir, name, fi.Size(), size)
		}
	}
	return checkRoot(i.Root)
}

// Ensure gives the image of the present recipe and builds it if the cache
// lacks it, which takes about a minute and needs Debian's packages. Of two
// builds at once the second waits for the first and uses its image. Disk full
// and missing tools are *machine.HostError.
func Ensure(ctx context.Context, o Options) (Image, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.CacheDir == "" {
		o.CacheDir = DefaultCacheDir
	}
	if o.build == nil {
		o.build = debootstrap
	}
	return ensure(ctx, o, defaultRecipe())
}

func ensure(ctx context.Context, o Options, r recipe) (Image, error) {
	img := imageAt(o.CacheDir, r.id())
	img.progress = o.Progress
	if img.checkComplete() == nil {
		return img, nil
	}
	base := filepath.Dir(img.Dir)
	if err := os.MkdirAll(base, 0o755); err != nil {
		return Image{}, lang.Errorf("making the image cache: %w", "이미지 캐시 만들기: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(base, "lock"), lang.Text{
		EN: "another build of the node image to end", KO: "다른 노드 이미지 빌드가 끝나기",
	}, o.Progress)
	if err != nil {
		return Image{}, err
	}
	defer unlock()
	if img.checkComplete() == nil { // the one we waited for built it
		return img, nil
	}
	if err := removeLeftovers(base); err != nil {
		return Image{}, err
	}
	if err := checkSpace(base, buildBytes); err != nil {
		return Image{}, err
	}
	if err := buildInto(ctx, o, r, img); err != nil {
		return Image{}, diskFull(base, buildBytes, err)
	}
	return img, nil
}

// buildInto builds in a folder beside the target and renames it when all of
// it is on the disk.
func buildInto(ctx context.Context, o Options, r recipe, img Image) (err error) {
	start := time.Now()
	work, err := os.MkdirTemp(filepath.Dir(img.Dir), leftoverPrefix+img.ID+"-")
	if err != nil {
		return lang.Errorf("making the build folder: %w", "빌드 폴더 만들기: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeTree(work))
		}
	}()
	if err := os.Chmod(work, 0o755); err != nil {
		return err
	}
	if err := o.build(ctx, r, work, o.Progress); err != nil {
		return lang.Errorf("building the node image: %w", "노드 이미지 빌드: %w", err)
	}
	if err := checkRoot(filepath.Join(work, "root")); err != nil {
		return lang.Errorf("the image built is not whole: %w", "빌드한 이미지가 온전하지 않습니다: %w", err)
	}
	o.Progress(lang.T("writing the node image to the disk", "노드 이미지를 디스크에 쓰는 중"))
	if err := writeManifest(work, r, img.ID, time.Since(start)); err != nil {
		return err
	}
	if err := syncTree(work); err != nil {
		return err
	}
	// An image of the same name that is there is not complete, or we
	// would not be here.
	if err := removeTree(img.Dir); err != nil {
		return err
	}
	if err := os.Rename(work, img.Dir); err != nil {
		return lang.Errorf("putting the image in place: %w", "이미지를 제자리에 놓기: %w", err)
	}
	return syncDir(filepath.Dir(img.Dir))
}
