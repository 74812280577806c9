// Package image builds the one node image from Debian's packages: a folder
// tree that container machines boot from, and a kernel, an initrd and a disk
// made of the same tree for virtual machines.
//
// Nothing of Noriter is baked in. An image is built once per recipe, kept in
// the cache, and named by a hash of the recipe; a half-built one is never used.
package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
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

// Manifest is kept beside each image, written last.
type Manifest struct {
	ID       string    `json:"id"`
	Suite    string    `json:"suite"`
	Built    time.Time `json:"built"`
	Seconds  float64   `json:"seconds"`
	Kernel   string    `json:"kernel"`
	Packages []string  `json:"packages"`
	// RootBytes is the space the tree takes; Files the size of each file beside it.
	RootBytes int64            `json:"rootBytes"`
	Files     map[string]int64 `json:"files"`
}

const manifestName = "manifest.json"

// Find gives the image of the present recipe, if the cache has it.
func Find(cacheDir string) (Image, bool) {
	img := at(cacheDir, defaultRecipe().id())
	return img, img.complete() == nil
}

func at(cacheDir, id string) Image {
	dir := filepath.Join(cacheDir, "image", id)
	return Image{
		ID: id, Dir: dir,
		Root:   filepath.Join(dir, "root"),
		Kernel: filepath.Join(dir, "vmlinuz"),
		Initrd: filepath.Join(dir, "initrd"),
		Disk:   filepath.Join(dir, "disk.qcow2"),
	}
}

// Manifest reads what the image says of itself.
func (i Image) Manifest() (Manifest, error) {
	var m Manifest
	b, err := os.ReadFile(filepath.Join(i.Dir, manifestName))
	if err != nil {
		return m, fmt.Errorf("reading the image's manifest: %w", err)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("reading the image's manifest: %w", err)
	}
	return m, nil
}

// complete says what of a finished image is missing.
func (i Image) complete() error {
	m, err := i.Manifest()
	if err != nil {
		return err
	}
	if m.ID != i.ID {
		return fmt.Errorf("%s: the manifest names image %q", i.Dir, m.ID)
	}
	for name, size := range m.Files {
		fi, err := os.Stat(filepath.Join(i.Dir, name))
		if err != nil {
			return fmt.Errorf("checking the image: %w", err)
		}
		if fi.Size() != size {
			return fmt.Errorf("%s/%s has %d bytes, the manifest says %d", i.Dir, name, fi.Size(), size)
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
	img := at(o.CacheDir, r.id())
	img.progress = o.Progress
	if img.complete() == nil {
		return img, nil
	}
	base := filepath.Dir(img.Dir)
	if err := os.MkdirAll(base, 0o755); err != nil {
		return Image{}, fmt.Errorf("making the image cache: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(base, "lock"), "another build of the node image to end", o.Progress)
	if err != nil {
		return Image{}, err
	}
	defer unlock()
	if img.complete() == nil { // the one we waited for built it
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
		return fmt.Errorf("making the build folder: %w", err)
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
		return fmt.Errorf("building the node image: %w", err)
	}
	if err := checkRoot(filepath.Join(work, "root")); err != nil {
		return fmt.Errorf("the image built is not whole: %w", err)
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
		return fmt.Errorf("putting the image in place: %w", err)
	}
	return syncDir(filepath.Dir(img.Dir))
}

func writeManifest(work string, r recipe, id string, took time.Duration) error {
	m := Manifest{ID: id, Suite: r.Suite, Built: time.Now().UTC().Truncate(time.Second), Seconds: took.Seconds(), Files: map[string]int64{}}
	for _, name := range []string{"vmlinuz", "initrd"} {
		fi, err := os.Stat(filepath.Join(work, name))
		if err != nil {
			return fmt.Errorf("the image built is not whole: %w", err)
		}
		m.Files[name] = fi.Size()
	}
	root := filepath.Join(work, "root")
	var err error
	if m.RootBytes, err = diskUsage(root); err != nil {
		return err
	}
	if m.Packages, err = installedPackages(root); err != nil {
		return err
	}
	if m.Kernel, err = kernelVersion(root); err != nil {
		return err
	}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the image's manifest: %w", err)
	}
	if err := os.WriteFile(filepath.Join(work, manifestName), append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the image's manifest: %w", err)
	}
	return nil
}

// tool runs a program of the host and gives the tail of what it printed with
// the error. A program that is missing is a HostError naming its package.
func tool(ctx context.Context, pkg string, name string, args ...string) ([]byte, error) {
	if _, err := exec.LookPath(name); err != nil {
		return nil, missing(name, pkg, err)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	var out, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("%s: %w\n%s", name, err, tail(stderr.String(), 12))
	}
	return []byte(out.String()), nil
}

func missing(name, pkg string, err error) error {
	return &machine.HostError{What: "the node image needs the program " + name, Remedy: "apt-get install " + pkg, Err: err}
}

func tail(s string, lines int) string {
	l := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(l[max(0, len(l)-lines):], "\n")
}
