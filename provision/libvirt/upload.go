package libvirt

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path"
	"path/filepath"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"noriter.dev/noriter/internal/filelock"
	"noriter.dev/noriter/internal/lang"
)

// uploadLimit is how long one file may take to reach libvirt's host.
const uploadLimit = 30 * time.Minute

// upload sends a file to the cache pool and gives its path there. The volume
// is named by its content; a second, empty volume says that the first is
// whole, so that one cut short is sent again and never used.
func (p *Provider) upload(ctx context.Context, c *conn, file, prefix string) (string, error) {
	dir := path.Join(imagesDir, cachePool)
	if p.daemon != nil {
		dir = filepath.Join(p.dir, cachePool)
	}
	if err := p.ensurePool(ctx, c, cachePool, dir); err != nil {
		return "", err
	}
	// Of two testbeds of this host, one sends.
	unlock, err := filelock.Lock(ctx, file, lang.Textf("another nori to send %s", "다른 nori가 %s을(를) 보내기", file), nil)
	if err != nil {
		return "", err
	}
	defer unlock()
	f, err := os.Open(file)
	if err != nil {
		return "", lang.Errorf("reading the image: %w", "이미지 읽기: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return "", lang.Errorf("reading the image %s: %w", "이미지 %s 읽기: %w", file, err)
	}
	u := uploader{c: c, name: prefix + "-" + hex.EncodeToString(sum.Sum(nil)[:8]), size: uint64(size), mode: "0644"}
	if u.pool, err = lookupPool(ctx, c, cachePool); err != nil {
		return "", err
	}
	if place, ok, err := u.whole(ctx); err != nil || ok {
		return place, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", lang.Errorf("reading the image %s: %w", "이미지 %s 읽기: %w", file, err)
	}
	return u.send(ctx, f)
}

// uploader sends one file.
type uploader struct {
	c    *conn
	pool golibvirt.StoragePool
	name string
	size uint64
	mode string // of its file, in octal
}

func (u uploader) marker() string { return u.name + ".whole" }

// whole says whether the volume is there, of the right size and marked.
func (u uploader) whole(ctx context.Context) (string, bool, error) {
	var place string
	var physical uint64
	if err := refreshPool(ctx, u.c, u.pool); err != nil {
		return "", false, err
	}
	err := u.c.call(ctx, lang.Textf("looking for volume %s", "볼륨 %s 찾기", u.name), func(lv *golibvirt.Libvirt) error {
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
		return "", false, err
	}
	return place, physical == u.size, nil
}

// send makes the volume afresh, fills it, checks its size and marks it.
func (u uploader) send(ctx context.Context, content io.Reader) (string, error) {
	for _, name := range []string{u.marker(), u.name} {
		if err := removeVolume(ctx, u.c, u.pool, name); err != nil {
			return "", err
		}
	}
	vol, err := u.makeVolume(ctx, u.name, u.size)
	if err != nil {
		return "", err
	}
	err = u.c.callFor(ctx, uploadLimit, lang.Textf("sending %s to %s",
		"%[2]s에 %[1]s 보내기", u.name, u.c.target.text()), func(lv *golibvirt.Libvirt) error {
		return lv.StorageVolUpload(vol, content, 0, u.size, 0)
	})
	if err != nil {
		return "", hostError(err)
	}
	if _, err := u.makeVolume(ctx, u.marker(), 1); err != nil {
		return "", err
	}
	place, ok, err := u.whole(ctx)
	if err == nil && !ok {
		err = lang.Errorf("volume %s on %s has not the size of what was sent",
			"%[2]s에 있는 볼륨 %[1]s의 크기가 보낸 것과 다릅니다", u.name, u.c.target.text())
	}
	return place, err
}

// makeVolume makes an empty volume. It is called raw whatever it will hold, so
// that its bytes are the file's.
func (u uploader) makeVolume(ctx context.Context, name string, size uint64) (golibvirt.StorageVol, error) {
	x := libvirtxml.StorageVolume{
		Name:     name,
		Capacity: &libvirtxml.StorageVolumeSize{Unit: "bytes", Value: size},
		Target: &libvirtxml.StorageVolumeTarget{
			Format:      &libvirtxml.StorageVolumeTargetFormat{Type: "raw"},
			Permissions: &libvirtxml.StorageVolumeTargetPermissions{Mode: u.mode},
		},
	}
	text, err := marshal(&x)
	if err != nil {
		return golibvirt.StorageVol{}, err
	}
	vol, err := ask(ctx, u.c, lang.Textf("making volume %s", "볼륨 %s 만들기", name), func(lv *golibvirt.Libvirt) (golibvirt.StorageVol, error) {
		return lv.StorageVolCreateXML(u.pool, text, 0)
	})
	return vol, hostError(err)
}
