package libvirt

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path"
	"path/filepath"

	golibvirt "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"noriter.dev/noriter/provision/machine"
)

// imagesDir is where a libvirtd of the host's keeps volumes; its QEMU and its
// security modules are set up for that place.
const imagesDir = "/var/lib/libvirt/images"

// defaultDiskGiB is the size a machine's disk can grow to.
const defaultDiskGiB = 20

// poolPath is the folder of the testbed's pool, on libvirt's host.
func (p *Provider) poolPath() string {
	if p.daemon != nil {
		return filepath.Join(p.dir, "pool")
	}
	return path.Join(imagesDir, PoolName(p.tb.Name))
}

// ensurePool defines a folder pool, makes its folder and starts it. A pool of
// the name with another folder is not ours.
func (p *Provider) ensurePool(ctx context.Context, c *conn, name, dir string) error {
	pool, err := ask(ctx, c, "looking for pool "+name, func(lv *golibvirt.Libvirt) (golibvirt.StoragePool, error) {
		return lv.StoragePoolLookupByName(name)
	})
	switch {
	case isCode(err, golibvirt.ErrNoStoragePool):
		text, err := poolXML(name, dir)
		if err != nil {
			return err
		}
		pool, err = ask(ctx, c, "defining pool "+name, func(lv *golibvirt.Libvirt) (golibvirt.StoragePool, error) {
			return lv.StoragePoolDefineXML(text, 0)
		})
		if err != nil {
			return hostError(err)
		}
	case err != nil:
		return err
	default:
		if err := p.checkPool(ctx, c, pool, dir); err != nil {
			return err
		}
	}
	return p.startPool(ctx, c, pool)
}

func (p *Provider) startPool(ctx context.Context, c *conn, pool golibvirt.StoragePool) error {
	active, err := ask(ctx, c, "the state of pool "+pool.Name, func(lv *golibvirt.Libvirt) (int32, error) {
		return lv.StoragePoolIsActive(pool)
	})
	if err != nil || active == 1 {
		return err
	}
	err = c.call(ctx, "making the folder of pool "+pool.Name, func(lv *golibvirt.Libvirt) error {
		if err := lv.StoragePoolBuild(pool, golibvirt.StoragePoolBuildNew); err != nil {
			return err
		}
		return lv.StoragePoolCreate(pool, 0)
	})
	if err != nil {
		return hostError(fmt.Errorf("starting pool %s: %w", pool.Name, err))
	}
	return nil
}

func (p *Provider) checkPool(ctx context.Context, c *conn, pool golibvirt.StoragePool, dir string) error {
	text, err := ask(ctx, c, "reading pool "+pool.Name, func(lv *golibvirt.Libvirt) (string, error) {
		return lv.StoragePoolGetXMLDesc(pool, 0)
	})
	if err != nil {
		return err
	}
	var x libvirtxml.StoragePool
	if err := x.Unmarshal(text); err != nil {
		return fmt.Errorf("reading pool %s: %w", pool.Name, err)
	}
	if x.Target == nil || x.Target.Path != dir {
		return fmt.Errorf("libvirt has a storage pool %s that is not in %s, so it is not this testbed's: rename one of the two", pool.Name, dir)
	}
	return nil
}

func poolXML(name, dir string) (string, error) {
	x := libvirtxml.StoragePool{
		Type: "dir", Name: name, UUID: uuid("pool", name, ""),
		Target: &libvirtxml.StoragePoolTarget{Path: dir, Permissions: &libvirtxml.StoragePoolTargetPermissions{Mode: "0711"}},
	}
	return marshal(&x)
}

// marshal writes a document for libvirt.
func marshal(x interface{ Marshal() (string, error) }) (string, error) {
	text, err := x.Marshal()
	if err != nil {
		return "", fmt.Errorf("writing a document for libvirt: %w", err)
	}
	return text, nil
}

// backing is what an overlay lies on; size is the disk's, in bytes.
type backing struct {
	path, format string
	size         uint64
}

// ensureOverlay makes a machine's disk afresh: a machine without a domain has
// none, so what an interrupted removal left is removed first.
func (p *Provider) ensureOverlay(ctx context.Context, c *conn, spec machine.Spec, base backing) (string, error) {
	pool := golibvirt.StoragePool{Name: PoolName(p.tb.Name)}
	pool, err := ask(ctx, c, "looking for pool "+pool.Name, func(lv *golibvirt.Libvirt) (golibvirt.StoragePool, error) {
		return lv.StoragePoolLookupByName(pool.Name)
	})
	if isCode(err, golibvirt.ErrNoStoragePool) {
		return "", fmt.Errorf("%w: Prepare comes before Ensure", err)
	}
	if err != nil {
		return "", err
	}
	name := diskName(spec.Name)
	if err := deleteVolume(ctx, c, pool, name); err != nil {
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
	vol, err := ask(ctx, c, "making the disk of "+spec.Name, func(lv *golibvirt.Libvirt) (golibvirt.StorageVol, error) {
		return lv.StorageVolCreateXML(pool, text, 0)
	})
	if err != nil {
		return "", hostError(err)
	}
	return ask(ctx, c, "the disk's place", func(lv *golibvirt.Libvirt) (string, error) { return lv.StorageVolGetPath(vol) })
}

func diskName(machine string) string    { return machine + ".qcow2" }
func consoleName(machine string) string { return machine + ".console.log" }

// deleteVolume removes a volume if it is there. The pool is read again first:
// a console log is written behind libvirt's back.
func deleteVolume(ctx context.Context, c *conn, pool golibvirt.StoragePool, name string) error {
	vol, err := ask(ctx, c, "looking for volume "+name, func(lv *golibvirt.Libvirt) (golibvirt.StorageVol, error) {
		if err := lv.StoragePoolRefresh(pool, 0); err != nil {
			return golibvirt.StorageVol{}, err
		}
		return lv.StorageVolLookupByName(pool, name)
	})
	if isCode(err, golibvirt.ErrNoStorageVol) {
		return nil
	}
	if err != nil {
		return err
	}
	err = c.call(ctx, "removing volume "+name, func(lv *golibvirt.Libvirt) error { return lv.StorageVolDelete(vol, 0) })
	if err != nil && !isCode(err, golibvirt.ErrNoStorageVol) {
		return fmt.Errorf("removing volume %s: %w", name, err)
	}
	return nil
}

// removePool removes a pool, its volumes and its folder.
func removePool(ctx context.Context, c *conn, pool golibvirt.StoragePool) error {
	err := c.call(ctx, "removing pool "+pool.Name, func(lv *golibvirt.Libvirt) error {
		if err := emptyPool(lv, pool); err != nil {
			return err
		}
		return lv.StoragePoolUndefine(pool)
	})
	if err != nil && !isCode(err, golibvirt.ErrNoStoragePool) {
		return fmt.Errorf("removing pool %s: %w", pool.Name, err)
	}
	return nil
}

// emptyPool deletes the volumes, stops the pool and deletes its folder. A
// pool that can't be started has lost its folder already.
func emptyPool(lv *golibvirt.Libvirt, pool golibvirt.StoragePool) error {
	active, err := lv.StoragePoolIsActive(pool)
	if err != nil {
		return err
	}
	if active == 0 {
		if err := lv.StoragePoolCreate(pool, 0); err != nil {
			return nil //nolint:nilerr // see above
		}
	}
	if err := lv.StoragePoolRefresh(pool, 0); err != nil {
		return err
	}
	vols, _, err := lv.StoragePoolListAllVolumes(pool, 1, 0)
	if err != nil {
		return err
	}
	for _, v := range vols {
		if err := lv.StorageVolDelete(v, 0); err != nil && !isCode(err, golibvirt.ErrNoStorageVol) {
			return err
		}
	}
	if err := lv.StoragePoolDestroy(pool); err != nil {
		return err
	}
	return lv.StoragePoolDelete(pool, golibvirt.StoragePoolDeleteNormal)
}

// inspect tells qcow2 from raw by the first bytes, and gives the size of the
// disk in it (docs/interop/qcow2.txt of QEMU).
func inspect(file string) (format string, size uint64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return "", 0, fmt.Errorf("reading the image: %w", err)
	}
	defer f.Close()
	var header [32]byte
	if _, err := f.ReadAt(header[:], 0); err != nil {
		return "", 0, fmt.Errorf("reading the image %s: %w", file, err)
	}
	if string(header[:4]) == "QFI\xfb" {
		return "qcow2", binary.BigEndian.Uint64(header[24:]), nil
	}
	fi, err := f.Stat()
	if err != nil {
		return "", 0, fmt.Errorf("reading the image %s: %w", file, err)
	}
	return "raw", uint64(fi.Size()), nil
}
