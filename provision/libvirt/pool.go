package libvirt

import (
	"context"
	"path"
	"path/filepath"
	"strings"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
)

// imagesDir is where a libvirtd of the host's keeps volumes; its QEMU and its
// security modules are set up for that place.
const imagesDir = "/var/lib/libvirt/images"

// poolPath is the folder of the testbed's pool, on libvirt's host.
func (p *Provider) poolPath() string {
	if p.daemon != nil {
		return filepath.Join(p.dir, "pool")
	}
	return HostFolder(p.tb.Name)
}

// HostFolder is where the host's libvirtd has the disks of a testbed's machines.
func HostFolder(testbed string) string { return path.Join(imagesDir, poolName(testbed)) }

// ensurePool defines a folder pool, makes its folder and starts it. A pool of
// the name with another folder is not ours.
func (p *Provider) ensurePool(ctx context.Context, c *conn, name, dir string) error {
	pool, err := lookupPool(ctx, c, name)
	switch {
	case isCode(err, golibvirt.ErrNoStoragePool):
		text, err := poolXML(name, dir)
		if err != nil {
			return err
		}
		pool, err = ask(ctx, c, lang.Textf("defining pool %s",
			"스토리지 풀 %s 정의", name), func(lv *golibvirt.Libvirt) (golibvirt.StoragePool, error) {
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

func lookupPool(ctx context.Context, c *conn, name string) (golibvirt.StoragePool, error) {
	return ask(ctx, c, lang.Textf("looking for pool %s", "스토리지 풀 %s 찾기", name), func(lv *golibvirt.Libvirt) (golibvirt.StoragePool, error) {
		return lv.StoragePoolLookupByName(name)
	})
}

func (p *Provider) startPool(ctx context.Context, c *conn, pool golibvirt.StoragePool) error {
	active, err := ask(ctx, c, lang.Textf("reading the state of pool %s", "스토리지 풀 %s의 상태 확인", pool.Name),
		func(lv *golibvirt.Libvirt) (int32, error) { return lv.StoragePoolIsActive(pool) })
	if err != nil || active == 1 {
		return err
	}
	return hostError(c.call(ctx, lang.Textf("starting pool %s", "스토리지 풀 %s 시작", pool.Name), func(lv *golibvirt.Libvirt) error {
		if err := lv.StoragePoolBuild(pool, golibvirt.StoragePoolBuildNew); err != nil {
			return err
		}
		return lv.StoragePoolCreate(pool, 0)
	}))
}

// refreshPool has libvirt look what is in a pool's folder. It refuses to as long as it
// makes or fills a volume there, which another machine's may be, or another testbed's
// (storagePoolRefresh in its src/storage/storage_driver.c).
func refreshPool(ctx context.Context, c *conn, pool golibvirt.StoragePool) error {
	what := lang.Textf("other work in the storage pool %s to end", "스토리지 풀 %s의 다른 작업이 끝나기", pool.Name)
	return wait.For(ctx, uploadLimit, busyPause, what, func(ctx context.Context) (bool, string, error) {
		err := c.call(ctx, lang.Textf("reading what is in pool %s", "스토리지 풀 %s의 내용 읽기", pool.Name),
			func(lv *golibvirt.Libvirt) error { return lv.StoragePoolRefresh(pool, 0) })
		if isBusy(err) {
			return false, "", nil
		}
		return err == nil, "", err
	})
}

// busyPause is how often a busy pool is asked.
const busyPause = 50 * time.Millisecond

// isBusy tells that refusal, which has no code of its own.
func isBusy(err error) bool {
	return isCode(err, golibvirt.ErrInternalError) && strings.Contains(err.Error(), "asynchronous jobs")
}

func (p *Provider) checkPool(ctx context.Context, c *conn, pool golibvirt.StoragePool, dir string) error {
	reading := lang.Textf("reading pool %s", "스토리지 풀 %s 읽기", pool.Name)
	text, err := ask(ctx, c, reading, func(lv *golibvirt.Libvirt) (string, error) { return lv.StoragePoolGetXMLDesc(pool, 0) })
	if err != nil {
		return err
	}
	var x libvirtxml.StoragePool
	if err := x.Unmarshal(text); err != nil {
		return lang.Errorf("%s: %w", "%s: %w", reading, err)
	}
	if x.Target == nil || x.Target.Path != dir {
		return lang.Errorf("libvirt has a storage pool %s that is not in %s, so it is not this testbed's: rename one of the two",
			"libvirt에 있는 스토리지 풀 %s이(가) %s에 있지 않으므로 이 테스트베드의 것이 아닙니다: 둘 가운데 하나의 이름을 바꾸세요", pool.Name, dir)
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
		return "", lang.Errorf("writing a document for libvirt: %w", "libvirt에 줄 문서 쓰기: %w", err)
	}
	return text, nil
}

// removePool removes a pool, its volumes and its folder. A pool that can't be started has
// lost its folder already.
func removePool(ctx context.Context, c *conn, pool golibvirt.StoragePool) error {
	there, err := ask(ctx, c, lang.Textf("starting pool %s", "스토리지 풀 %s 시작", pool.Name), func(lv *golibvirt.Libvirt) (bool, error) {
		active, err := lv.StoragePoolIsActive(pool)
		if err != nil {
			return false, err
		}
		return active != 0 || lv.StoragePoolCreate(pool, 0) == nil, nil
	})
	if err == nil && there {
		err = refreshPool(ctx, c, pool) // which waits for what an interrupted nori has begun
	}
	if err == nil {
		err = c.call(ctx, lang.Textf("removing pool %s", "스토리지 풀 %s 제거", pool.Name), func(lv *golibvirt.Libvirt) error {
			if there {
				if err := emptyPool(lv, pool); err != nil {
					return err
				}
			}
			return lv.StoragePoolUndefine(pool)
		})
	}
	if isCode(err, golibvirt.ErrNoStoragePool) {
		return nil
	}
	return err
}

// emptyPool deletes the volumes, stops the pool and deletes its folder.
func emptyPool(lv *golibvirt.Libvirt, pool golibvirt.StoragePool) error {
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
