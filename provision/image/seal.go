package image

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/seal"
)

// The seals of an image. That of the disk is apart, since the disk is made when the
// first virtual machine needs it.
const (
	sealName     = "seal.json"
	diskSealName = "disk.seal.json"
)

func sealImage(dir string) error {
	s, err := seal.Make(dir, "root", "vmlinuz", "initrd")
	if err != nil {
		return err
	}
	return s.Write(filepath.Join(dir, sealName))
}

// Check looks at all of an image, but for its disk. What is wrong is a *seal.Damage;
// that it is not there at all is fs.ErrNotExist, too.
func (i Image) Check() error {
	m, err := i.Manifest()
	if err != nil {
		return err
	}
	if m.Version == 0 {
		return i.checkUnsealed(m)
	}
	return i.bySeal(sealName, func(s *seal.Seal) (bool, error) { return s.Check(i.Dir) })
}

// look is Check for what commands need that don't start machines: a few files stand
// for all.
func (i Image) look() error {
	m, err := i.Manifest()
	if err != nil {
		return err
	}
	if m.Version == 0 {
		return i.checkUnsealed(m)
	}
	paths := []string{"vmlinuz", "initrd"}
	for _, f := range keyFiles {
		paths = append(paths, filepath.Join("root", f))
	}
	return i.bySeal(sealName, func(s *seal.Seal) (bool, error) { return s.CheckOnly(i.Dir, paths...) })
}

// CanBoot looks at what machines of the options' kind start from.
func (i Image) CanBoot() error {
	m, err := i.Manifest()
	switch {
	case err != nil:
		return err
	case !i.options.Disk && m.Version == 0:
		return i.checkUnsealed(m)
	case !i.options.Disk:
		return i.bySeal(sealName, func(s *seal.Seal) (bool, error) { return s.CheckBelow(i.Dir, "root") })
	}
	if err := i.look(); err != nil {
		return err
	}
	return i.checkDisk()
}

// Verify reads all of an image, and its disk if it has one. What it finds, the next
// Check finds, too.
func (i Image) Verify() error {
	m, err := i.Manifest()
	if err != nil {
		return err
	}
	if m.Version == 0 {
		return i.checkUnsealed(m) // more is not known of it
	}
	verify := func(s *seal.Seal) (bool, error) { return s.Verify(i.Dir) }
	err = i.bySeal(sealName, verify)
	if _, there := os.Stat(filepath.Join(i.Dir, diskSealName)); err == nil && there == nil {
		err = i.bySeal(diskSealName, verify)
	}
	return err
}

// bySeal looks at files of the image by one of its seals, and keeps what the look
// changed in it.
func (i Image) bySeal(name string, look func(*seal.Seal) (bool, error)) error {
	path := filepath.Join(i.Dir, name)
	s, err := seal.Read(path)
	if err != nil {
		return err
	}
	renewed, err := look(s)
	if !renewed {
		return err
	}
	kept := s.Write(path)
	if errors.Is(kept, fs.ErrPermission) || errors.Is(kept, unix.EROFS) {
		kept = nil // another user's cache: the next look reads again, too
	}
	return errors.Join(err, kept)
}

// sealed says that nothing has to be done for an image to have a seal.
func (i Image) sealed() bool {
	m, err := i.Manifest()
	return err == nil && m.Version > 0
}

// checkUnsealed looks at an image that an older nori built.
func (i Image) checkUnsealed(m Manifest) error {
	for name, size := range m.Files {
		fi, err := os.Stat(filepath.Join(i.Dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return seal.New(name, "%s is missing", "%s이(가) 없습니다", err)
		case err != nil:
			return lang.Errorf("checking the image: %w", "이미지 확인: %w", err)
		case fi.Size() != size:
			return seal.New(name, "%s has another size", "%s의 크기가 다릅니다", nil)
		}
	}
	return checkRoot(i.Root)
}

// adopt seals an image of an older nori as it is, so that damage from now on is
// noticed. The caller has the lock.
func (i Image) adopt() error {
	m, err := i.Manifest()
	if err != nil || m.Version > 0 {
		return err
	}
	i.options.Progress(lang.T("listing what the image of an older nori holds", "이전 nori가 만든 이미지의 내용 목록을 만드는 중"))
	if err := sealImage(i.Dir); err != nil {
		return err
	}
	m.Version = manifestVersion // now that it has one
	return keepManifest(i.Dir, m)
}
