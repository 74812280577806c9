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
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/build"
	"noriter.dev/noriter/internal/filelock"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/cache"
	"noriter.dev/noriter/provision/stock"
)

// Options says where images are kept and who hears of the progress.
type Options struct {
	// CacheDir holds the images, in a sub-folder "image".
	CacheDir string
	// Progress is called with one line per step; nil is silence.
	Progress func(string)
	// Say is called with what a person should know although it is mended; nil is
	// silence.
	Say func(string)
	// Disk says that machines boot from the kernel and a disk, and not from the root.
	Disk bool
	// Standing are the testbeds whose machines' disks lie on an image's disk.
	Standing func(id string) ([]string, error)
	// Stock is what came with the programs: an image that it has is not built.
	Stock stock.Stock

	// build makes the root, disk the disk, and sync waits until all is on the disk of the
	// host; tests put their own here.
	build func(ctx context.Context, r recipe, work string, say func(string)) error
	disk  func(ctx context.Context, root, raw, to string) error
	sync  func(dir string) error
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

	options Options
}

// PresentID is the ID of the image that this nori builds.
func PresentID() string { return defaultRecipe().id() }

// Find gives the image of the present recipe, if the cache has it whole.
func Find(cacheDir string) (Image, bool) {
	img := imageAt(cacheDir, PresentID())
	return img, img.Check() == nil
}

// Open gives the image of an ID that was built before; machines stay on the
// image they were made from when the recipe changes.
func Open(o Options, id string) (Image, error) {
	o = o.filled()
	img := imageAt(o.CacheDir, id)
	img.options = o
	if id == "" {
		return img, lang.Errorf("the testbed has no machine image yet: `nori up` makes one",
			"테스트베드에 아직 머신 이미지가 없습니다: `nori up`이 만듭니다")
	}
	if err := img.look(); err != nil {
		return img, lang.Errorf("machine image %s: %w", "머신 이미지 %s: %w", id, err)
	}
	_, err := img.hold()
	return img, err
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

// Ensure gives the image of the present recipe and builds it if the cache
// lacks it, which takes about a minute and needs Debian's packages. One that is
// damaged is built again, but not below those who stand on it: that is an
// *InUseError. Of two builds at once the second waits for the first and uses its
// image. Disk full and missing tools are *machine.HostError.
func Ensure(ctx context.Context, o Options) (Image, error) {
	return ensure(ctx, o.filled(), defaultRecipe())
}

func (o Options) filled() Options {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
	if o.CacheDir == "" {
		o.CacheDir = DefaultCacheDir
	}
	if o.Standing == nil {
		o.Standing = func(string) ([]string, error) { return nil, nil }
	}
	if o.build == nil {
		o.build = debootstrap
	}
	if o.sync == nil {
		o.sync = syncTree
	}
	if o.disk == nil {
		o.disk = makeDisk
	}
	return o
}

func ensure(ctx context.Context, o Options, r recipe) (Image, error) {
	img := imageAt(o.CacheDir, r.id())
	img.options = o
	if held, err := img.hold(); err != nil || held && img.sealed() && img.Check() == nil {
		return img, errors.Join(err, img.close())
	}
	base := filepath.Dir(img.Dir)
	if err := os.MkdirAll(base, 0o711); err != nil {
		return Image{}, lang.Errorf("making the image cache: %w", "이미지 캐시 만들기: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(base, "lock"), lang.Text{
		EN: "another build of the node image to end", KO: "다른 노드 이미지 빌드가 끝나기",
	}, o.Progress)
	if err != nil {
		return Image{}, err
	}
	defer unlock()
	if err := underLock(ctx, r, img); err != nil {
		return Image{}, err
	}
	_, err = img.hold()
	return img, errors.Join(err, img.close())
}

// underLock makes an image whole, where the one that was waited for has not done it.
func underLock(ctx context.Context, r recipe, img Image) error {
	if img.Check() == nil {
		err := img.adopt()
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
			err = nil // another user's cache
		}
		return err
	}
	if done, err := img.mend(); done || err != nil {
		return err
	}
	base := filepath.Dir(img.Dir)
	if err := removeLeftovers(base); err != nil {
		return err
	}
	if err := checkSpace(base, buildBytes); err != nil {
		return err
	}
	if err := buildInto(ctx, img.options, r, img); err != nil {
		return diskFull(base, buildBytes, err)
	}
	return nil
}

// useLock is shared by all who use an entry of the cache; who removes it has it alone.
const useLock = "use.lock"

// hold keeps others from removing the image as long as this process lives: whoever asks
// for it is going to use it. It says false where there is none.
func (i Image) hold() (bool, error) { return filelock.Keep(filepath.Join(i.Dir, useLock)) }

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
			err = errors.Join(err, cache.RemoveTree(work))
		}
	}()
	// apt fetches as a user of its own, who needs a way in.
	if err := os.Chmod(work, 0o711); err != nil {
		return err
	}
	if e, ok := o.Stock.Find(stockPath(img.ID)); ok {
		err = unpack(ctx, o, r, e, work)
	} else if err = o.build(ctx, r, work, o.Progress); err != nil {
		err = lang.Errorf("building the node image: %w", "노드 이미지 빌드: %w", err)
	}
	if err != nil {
		return err
	}
	if err := checkRoot(filepath.Join(work, "root")); err != nil {
		return lang.Errorf("the image built is not whole: %w", "빌드한 이미지가 온전하지 않습니다: %w", err)
	}
	o.Progress(lang.T("writing the node image to the disk", "노드 이미지를 디스크에 쓰는 중"))
	m := Manifest{
		Nori: build.Version(), ID: img.ID, Suite: r.Suite,
		Built: time.Now().UTC().Truncate(time.Second), Seconds: time.Since(start).Seconds(),
	}
	if err := writeManifest(work, m); err != nil {
		return err
	}
	if err := sealImage(work); err != nil {
		return err
	}
	if err := o.sync(work); err != nil {
		return err
	}
	return replace(work, img.Dir)
}

// replace gives a finished folder its name. What has the name is not complete, or
// nobody would have built anew; it goes as a leftover, so that none of it is seen
// half removed.
func replace(work, dir string) error {
	old := work + "-old"
	err := os.Rename(dir, old)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return lang.Errorf("moving the damaged image away: %w", "손상된 이미지 치우기: %w", err)
	}
	if err := os.Rename(work, dir); err != nil {
		return lang.Errorf("putting the image in place: %w", "이미지를 제자리에 놓기: %w", err)
	}
	if err := syncDir(filepath.Dir(dir)); err != nil {
		return err
	}
	return cache.RemoveTree(old)
}
