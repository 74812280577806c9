// Package cache says what an entry of the cache is: something that took long to make,
// and can be made again. Those who make entries list them; here is how one is removed
// although others use the cache meanwhile.
package cache

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/filelock"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/mountinfo"
	"noriter.dev/noriter/provision/inuse"
	"noriter.dev/noriter/provision/machine"
)

// Kind is what an entry is.
type Kind string

// The kinds of entries.
const (
	MachineImage    Kind = "machine-image"
	ContainerImages Kind = "container-images"
	Packages        Kind = "packages"
	Parcel          Kind = "parcel"
	// Leftover is what an interrupted build left.
	Leftover Kind = "leftover"
)

// Text names the kind for people.
func (k Kind) Text() lang.Text {
	switch k {
	case MachineImage:
		return lang.Text{EN: "machine image", KO: "머신 이미지"}
	case ContainerImages:
		return lang.Text{EN: "container images", KO: "컨테이너 이미지"}
	case Packages:
		return lang.Text{EN: "files of Debian's packages", KO: "데비안 패키지의 파일"}
	case Parcel:
		return lang.Text{EN: "parcel for virtual machines", KO: "가상 머신용 꾸러미"}
	}
	return lang.Text{EN: "left by an interrupted build", KO: "중단된 빌드가 남긴 것"}
}

// Entry is one of them.
type Entry struct {
	Kind Kind
	Name string
	// Paths are what it consists of, removed together.
	Paths []string
	// Nori made it, and when; empty where it does not say.
	Nori string
	Made time.Time
	// MakeLock is held by those who make such entries.
	MakeLock string
	// UseLock is shared by those who use it; empty where nobody does so for long.
	UseLock string
	// Layer is a folder on which machines may be laid, Files what they may have open.
	Layer string
	Files []string
}

// Users are those who use an entry now.
func (e Entry) Users() ([]lang.Text, error) {
	var users []lang.Text
	found, err := inuse.Openers(e.Files...)
	if err != nil {
		return nil, err
	}
	if e.Layer != "" {
		layers, err := inuse.Layers(e.Layer)
		if err != nil {
			return nil, err
		}
		found = append(layers, found...)
	}
	for _, u := range found {
		users = append(users, u.Text())
	}
	free, err := e.free(e.UseLock)
	if !free {
		users = append(users, lang.Text{EN: "another nori", KO: "다른 nori"})
	}
	if e.Kind != Leftover || err != nil {
		return users, err
	}
	if free, err = e.free(e.MakeLock); !free { // then it is no leftover yet
		users = append(users, builder)
	}
	return users, err
}

var builder = lang.Text{EN: "another nori, which builds", KO: "빌드 중인 다른 nori"}

// free says that nobody has a lock. It makes no file.
func (e Entry) free(lock string) (bool, error) {
	if _, err := os.Stat(lock); lock == "" || errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	release, alone, err := filelock.Try(lock)
	if err != nil {
		return true, err
	}
	if alone {
		release()
	}
	return alone, nil
}

// Remove removes an entry, unless somebody makes such entries or uses this one: then
// they are returned.
func (e Entry) Remove() (users []lang.Text, err error) {
	if e.MakeLock != "" {
		release, alone, err := filelock.Try(e.MakeLock)
		if err != nil {
			return nil, err
		}
		if !alone {
			return []lang.Text{builder}, nil
		}
		defer release()
	}
	if e.UseLock != "" {
		release, alone, err := filelock.Try(e.UseLock)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err == nil && !alone {
			return []lang.Text{{EN: "another nori", KO: "다른 nori"}}, nil
		}
		if err == nil {
			defer release()
		}
	}
	without := e
	without.UseLock, without.MakeLock = "", "" // they are ours
	if users, err := without.Users(); err != nil || len(users) > 0 {
		return users, err
	}
	for _, p := range e.Paths {
		if err := Remove(p); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// LeftoverPrefix starts the name of every folder that is being built, or removed.
const LeftoverPrefix = ".building-"

// Remove removes a file or a folder of the cache. It takes a folder's name away first,
// so that nobody sees half of it, or puts a lock into what is going.
func Remove(path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return lang.Errorf("removing %s: %w", "%s 제거: %w", path, err)
	}
	if fi.IsDir() {
		away := filepath.Join(filepath.Dir(path), LeftoverPrefix+filepath.Base(path)+"-old")
		if err := RemoveTree(away); err != nil {
			return err
		}
		if err := os.Rename(path, away); err != nil {
			return lang.Errorf("removing %s: %w", "%s 제거: %w", path, err)
		}
		path = away
	}
	return RemoveTree(path)
}

// RemoveTree removes a file, or a folder of the cache. What a killed build left mounted
// in it is unmounted first, as behind a mount are the host's own files.
func RemoveTree(dir string) error {
	mounted, err := mountinfo.Under(dir)
	if err != nil {
		return err
	}
	for _, m := range slices.Backward(mounted) {
		if err := unix.Unmount(m, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return &machine.HostError{
				What: lang.Textf("%s is still mounted and can't be unmounted",
					"%s이(가) 아직 마운트되어 있고 마운트를 해제할 수 없습니다", m).String(),
				Remedy: "umount " + m, Err: err,
			}
		}
	}
	if mounted, err = mountinfo.Under(dir); err != nil || len(mounted) > 0 {
		return errors.Join(err, lang.Errorf("not removing %s: still mounted: %q",
			"%s을(를) 제거하지 않습니다: 아직 마운트되어 있습니다: %q", dir, mounted))
	}
	if err := os.RemoveAll(dir); err != nil {
		return lang.Errorf("removing %s: %w", "%s 제거: %w", dir, err)
	}
	return nil
}
