package libvirt

import (
	"context"
	"os"
	"path/filepath"

	"noriter.dev/noriter/internal/lang"
)

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
		return bootFiles{}, lang.Errorf("no node image was given, so no machine can be made", "노드 이미지가 없어서 머신을 만들 수 없습니다")
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
	if p.daemon != nil { // an overlay is made on the disk before anything starts
		if err := p.daemon.lend(ctx, f.disk.path, f.kernel, f.initrd); err != nil {
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
		return "", false, lang.Errorf("finding the image's file: %w", "이미지 파일 찾기: %w", err)
	}
	switch {
	case p.target.remote():
		return real, false, nil
	case p.daemon != nil:
		return real, p.daemon.canLend(real), nil
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
