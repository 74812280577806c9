package libvirt

import (
	"context"
	"encoding/binary"
	"os"

	golibvirt "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
)

// defaultDiskGiB is the size a machine's disk can grow to.
const defaultDiskGiB = 20

// backing is what an overlay lies on; size is the disk's, in bytes.
type backing struct {
	path, format string
	size         uint64
}

// ensureOverlay makes a machine's disk afresh: a machine without a domain has
// none, so what an interrupted removal left is removed first.
func (p *Provider) ensureOverlay(ctx context.Context, c *conn, spec machine.Spec, base backing) (string, error) {
	pool, err := lookupPool(ctx, c, poolName(p.tb.Name))
	if isCode(err, golibvirt.ErrNoStoragePool) {
		return "", lang.Errorf("%w: Prepare comes before Ensure", "%w: Ensure보다 Prepare가 먼저입니다", err)
	}
	if err != nil {
		return "", err
	}
	name := diskName(spec.Name)
	if err := removeVolume(ctx, c, pool, name); err != nil {
		return "", err
	}
	size := max(uint64(spec.DiskGiB)<<30, base.size) // a smaller one would cut the file system
	if spec.DiskGiB == 0 {
		size = max(size, defaultDiskGiB<<30)
	}
	x := libvirtxml.StorageVolume{
		Name:     name,
		Capacity: &libvirtxml.StorageVolumeSize{Unit: "bytes", Value: size},
		Target:   &libvirtxml.StorageVolumeTarget{Format: &libvirtxml.StorageVolumeTargetFormat{Type: "qcow2"}},
		BackingStore: &libvirtxml.StorageVolumeBackingStore{
			Path: base.path, Format: &libvirtxml.StorageVolumeTargetFormat{Type: base.format},
		},
	}
	text, err := marshal(&x)
	if err != nil {
		return "", err
	}
	vol, err := ask(ctx, c, lang.Textf("making the disk of %s",
		"%s의 디스크 만들기", spec.Name), func(lv *golibvirt.Libvirt) (golibvirt.StorageVol, error) {
		return lv.StorageVolCreateXML(pool, text, 0)
	})
	if err != nil {
		return "", hostError(err)
	}
	return ask(ctx, c, lang.Text{EN: "asking for the disk's place", KO: "디스크의 위치 확인"},
		func(lv *golibvirt.Libvirt) (string, error) { return lv.StorageVolGetPath(vol) })
}

func diskName(machine string) string    { return machine + ".qcow2" }
func consoleName(machine string) string { return machine + ".console.log" }

// removeVolume removes a volume if it is there. The pool is read again first:
// a console log is written behind libvirt's back.
func removeVolume(ctx context.Context, c *conn, pool golibvirt.StoragePool, name string) error {
	if err := refreshPool(ctx, c, pool); err != nil {
		return err
	}
	vol, err := ask(ctx, c, lang.Textf("looking for volume %s", "볼륨 %s 찾기", name), func(lv *golibvirt.Libvirt) (golibvirt.StorageVol, error) {
		return lv.StorageVolLookupByName(pool, name)
	})
	if isCode(err, golibvirt.ErrNoStorageVol) {
		return nil
	}
	if err != nil {
		return err
	}
	err = c.call(ctx, lang.Textf("removing volume %s",
		"볼륨 %s 제거", name), func(lv *golibvirt.Libvirt) error { return lv.StorageVolDelete(vol, 0) })
	if isCode(err, golibvirt.ErrNoStorageVol) {
		return nil
	}
	return err
}

// inspect tells qcow2 from raw by the first bytes, and gives the size of the
// disk in it (docs/interop/qcow2.txt of QEMU).
func inspect(file string) (format string, size uint64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return "", 0, lang.Errorf("reading the image: %w", "이미지 읽기: %w", err)
	}
	defer f.Close()
	var header [32]byte
	if _, err := f.ReadAt(header[:], 0); err != nil {
		return "", 0, lang.Errorf("reading the image %s: %w", "이미지 %s 읽기: %w", file, err)
	}
	if string(header[:4]) == "QFI\xfb" {
		return "qcow2", binary.BigEndian.Uint64(header[24:]), nil
	}
	fi, err := f.Stat()
	if err != nil {
		return "", 0, lang.Errorf("reading the image %s: %w", "이미지 %s 읽기: %w", file, err)
	}
	return "raw", uint64(fi.Size()), nil
}
