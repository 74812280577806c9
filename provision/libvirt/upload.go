package libvirt

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"
)

// uploadLimit is how long one file may take to reach libvirt's host.
const uploadLimit = 30 * time.Minute

// bootFiles are the image's files as libvirt's host knows them.
type bootFiles struct {
	disk           backing
	kernel, initrd string
	// relabel is false where the disk is a file of this host that libvirt
	// must not hand to QEMU's user.
	relabel bool
}

// bootFiles gives the image's files, and sends them to libvirt's host first if
// QEMU can't read them where they are.
func (p *Provider) bootFiles(ctx context.Context, c *conn) (bootFiles, error) {
	p.mu.Lock()
	have := p.files
	p.mu.Unlock()
	if have != nil {
		return *have, nil
	}
	if p.img.Disk == "" || p.img.Kernel == "" || p.img.Initrd == "" {
		return bootFiles{}, errors.New("no node image was given, so no machine can be made")
	}
	format, size, err := inspect(p.img.Disk)
	if err != nil {
		return bootFiles{}, err
	}
	f := bootFiles{disk: backing{format: format, size: size}, relabel: true}
	places := []struct {
		file, prefix string
		large        bool
		to           *string
	}{
		{p.img.Disk, "disk", true, &f.disk.path},
		{p.img.Kernel, "kernel", false, &f.kernel},
		{p.img.Initrd, "initrd", false, &f.initrd},
	}
	for _, pl := range places {
		real, direct, err := p.direct(pl.file, pl.large)
		if err != nil {
			return bootFiles{}, err
		}
		if direct {
			*pl.to = real
			if pl.large {
				f.relabel = false
			}
			continue
		}
		if *pl.to, err = p.upload(ctx, c, pl.file, pl.prefix); err != nil {
			return bootFiles{}, err
		}
	}
	p.mu.Lock()
	p.files = &f
	p.mu.Unlock()
	return f, nil
}

// parcel gives the parcel's path, empty where there is none: over a network it
// would be sent for all the machines' files, whether they still need them or not.
func (p *Provider) parcel(ctx context.Context) (string, error) {
	if p.opts.Parcel == nil || p.target.remote() {
		return "", nil
	}
	file, err := p.opts.Parcel(ctx)
	if err != nil {
		return "", err
	}
	real, direct, err := p.direct(file, true)
	if err != nil || !direct {
		return "", err
	}
	return real, nil
}

// direct says whether QEMU can use a file where it lies, and its real path.
// libvirt would change the owner of a kernel it boots, so with the host's
// libvirt only the large disk is used in place.
func (p *Provider) direct(file string, large bool) (string, bool, error) {
	real, err := filepath.EvalSymlinks(file)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err != nil {
		return "", false, fmt.Errorf("finding the image's file: %w", err)
	}
	switch {
	case p.target.remote():
		return real, false, nil
	case p.daemon != nil:
		for _, b := range bound {
			if within(real, b.over) {
				return real, false, nil
			}
		}
		return real, !within(real, "/run"), nil
	}
	return real, large && readableByAll(real), nil
}

// readableByAll says whether any user can read a file by its path.
func readableByAll(file string) bool {
	need := os.FileMode(0o004)
	for at := file; ; at = filepath.Dir(at) {
		fi, err := os.Stat(at)
		if err != nil || fi.Mode().Perm()&need != need {
			return false
		}
		need = 0o001
		if at == filepath.Dir(at) {
			return true
		}
	}
}

// upload sends a file to the cache pool and gives its path there. The volume
// is named by its content; a second, empty volume says that the first is
// whole, so that one cut short is sent again and never used.
func (p *Provider) upload(ctx context.Context, c *conn, file, prefix string) (string, error) {
	dir := path.Join(imagesDir, CachePool)
	if p.daemon != nil {
		dir = filepath.Join(p.dir, CachePool)
	}
	if err := p.ensurePool(ctx, c, CachePool, dir); err != nil {
		return "", err
	}
	unlock, err := lockFile(ctx, file) // of two testbeds of this host, one sends
	if err != nil {
		return "", err
	}
	defer unlock()
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("reading the image: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return "", fmt.Errorf("reading the image %s: %w", file, err)
	}
	u := uploader{c: c, name: prefix + "-" + hex.EncodeToString(sum.Sum(nil)[:8]), size: uint64(size)}
	if u.pool, err = ask(ctx, c, "looking for pool "+CachePool, func(lv *golibvirt.Libvirt) (golibvirt.StoragePool, error) {
		return lv.StoragePoolLookupByName(CachePool)
	}); err != nil {
		return "", err
	}
	if place, ok, err := u.whole(ctx); err != nil || ok {
		return place, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", fmt.Errorf("reading the image %s: %w", file, err)
	}
	return u.send(ctx, f)
}

// uploader sends one file.
type uploader struct {
	c    *conn
	pool golibvirt.StoragePool
	name string
	size uint64
}

func (u uploader) marker() string { return u.name + ".whole" }

// whole says whether the volume is there, of the right size and marked.
func (u uploader) whole(ctx context.Context) (string, bool, error) {
	var place string
	var physical uint64
	err := u.c.call(ctx, "looking for volume "+u.name, func(lv *golibvirt.Libvirt) error {
		if err := lv.StoragePoolRefresh(u.pool, 0); err != nil {
			return err
		}
		if _, err := lv.StorageVolLookupByName(u.pool, u.marker()); err != nil {
			return err
		}
		vol, err := lv.StorageVolLookupByName(u.pool, u.name)
		if err != nil {
			return err
		}
		if _, _, physical, err = lv.StorageVolGetInfoFlags(vol, uint32(golibvirt.StorageVolGetPhysical)); err != nil {
			return err
		}
		place, err = lv.StorageVolGetPath(vol)
		return err
	})
	if isCode(err, golibvirt.ErrNoStorageVol) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("looking for volume %s: %w", u.name, err)
	}
	return place, physical == u.size, nil
}

// send makes the volume afresh, fills it, checks its size and marks it.
func (u uploader) send(ctx context.Context, content io.Reader) (string, error) {
	for _, name := range []string{u.marker(), u.name} {
		if err := deleteVolume(ctx, u.c, u.pool, name); err != nil {
			return "", err
		}
	}
	vol, err := u.create(ctx, u.name, u.size)
	if err != nil {
		return "", err
	}
	err = u.c.callFor(ctx, uploadLimit, "sending "+u.name, func(lv *golibvirt.Libvirt) error {
		return lv.StorageVolUpload(vol, content, 0, u.size, 0)
	})
	if err != nil {
		return "", hostError(fmt.Errorf("sending %s to %s: %w", u.name, u.c.target, err))
	}
	if _, err := u.create(ctx, u.marker(), 1); err != nil {
		return "", err
	}
	place, ok, err := u.whole(ctx)
	if err == nil && !ok {
		err = fmt.Errorf("volume %s on %s has not the size of what was sent", u.name, u.c.target)
	}
	return place, err
}

// create makes an empty volume. It is called raw whatever it will hold, so
// that its bytes are the file's.
func (u uploader) create(ctx context.Context, name string, size uint64) (golibvirt.StorageVol, error) {
	x := libvirtxml.StorageVolume{
		Name:     name,
		Capacity: &libvirtxml.StorageVolumeSize{Unit: "bytes", Value: size},
		Target: &libvirtxml.StorageVolumeTarget{
			Format:      &libvirtxml.StorageVolumeTargetFormat{Type: "raw"},
			Permissions: &libvirtxml.StorageVolumeTargetPermissions{Mode: "0644"},
		},
	}
	text, err := marshal(&x)
	if err != nil {
		return golibvirt.StorageVol{}, err
	}
	vol, err := ask(ctx, u.c, "making volume "+name, func(lv *golibvirt.Libvirt) (golibvirt.StorageVol, error) {
		return lv.StorageVolCreateXML(u.pool, text, 0)
	})
	return vol, hostError(err)
}
