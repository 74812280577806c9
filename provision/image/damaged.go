package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"noriter.dev/noriter/internal/format"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/inuse"
	"noriter.dev/noriter/provision/seal"
)

// InUseError is a damaged image that can't be made again, because machines stand on
// it: they would go on with half of the old one and half of the new.
type InUseError struct {
	ID string
	// Damage is what is wrong with it.
	Damage error
	// Users are the mounts and processes that stand on it, Testbeds those whose
	// machines' disks lie on it.
	Users    []inuse.User
	Testbeds []string
}

// Error says who stands on it.
func (e *InUseError) Error() string { return e.text().Error() }

// Unwrap gives the damage.
func (e *InUseError) Unwrap() error { return e.Damage }

func (e *InUseError) text() error {
	var who lang.Text
	for i, name := range e.Testbeds {
		who = and(who, lang.Textf("testbed %q", "테스트베드 %q", name), i)
	}
	for i, u := range e.Users {
		if i == maxNamed {
			who = and(who, lang.Textf("%d more", "그 밖에 %d개", len(e.Users)-i), i)
			break
		}
		who = and(who, u.Text(), i+len(e.Testbeds))
	}
	return lang.Errorf("the cached machine image %s is damaged (%w), and can't be made again while machines stand on it: %s",
		"캐시의 머신 이미지 %s이(가) 손상되었지만(%w) 그 위에 머신이 있어 다시 만들 수 없습니다: %s", e.ID, e.Damage, who)
}

// maxNamed is how many mounts and processes are named; more of them tell nobody more.
const maxNamed = 2

func and(before, more lang.Text, n int) lang.Text {
	if n == 0 {
		return more
	}
	return lang.Text{EN: before.EN + ", " + more.EN, KO: before.KO + ", " + more.KO}
}

// mend does what has to be done before an image is built again: it says what is wrong,
// and refuses where somebody stands on it. It is done without a build where nothing
// but the manifest is damaged, which the rest tells, or what these machines don't
// boot from. The caller has the lock.
func (i Image) mend() (done bool, err error) {
	damage := i.Check()
	var newer *format.NewerError
	if errors.As(damage, &newer) {
		return false, damage
	}
	if _, err := os.Lstat(i.Dir); errors.Is(err, fs.ErrNotExist) {
		return false, i.refuseBelow(damage) // gone, and not damaged
	}
	if i.remakeManifest() == nil {
		i.options.Say(lang.Textf("the cached machine image was damaged (%v); mended", "캐시의 머신 이미지가 손상되어(%v) 고쳤습니다", damage).String())
		if damage = i.Check(); damage == nil {
			return true, nil
		}
	}
	if refused := i.refuse(damage); refused != nil {
		var inUse *InUseError
		if errors.As(refused, &inUse) && !i.options.Disk && i.CanBoot() == nil {
			return true, nil
		}
		return false, refused
	}
	i.options.Say(lang.Textf("the cached machine image was damaged (%v); making it again",
		"캐시의 머신 이미지가 손상되어(%v) 다시 만듭니다", damage).String())
	return false, nil
}

// remakeManifest writes the manifest again, where the seal says that the root is whole,
// of which it tells.
func (i Image) remakeManifest() error {
	var d *seal.Damage
	if _, err := i.Manifest(); !errors.As(err, &d) {
		return fmt.Errorf("it is not the manifest: %w", err)
	}
	m := Manifest{ID: i.ID, Suite: defaultRecipe().Suite}
	err := i.bySeal(sealName, func(s *seal.Seal) (bool, error) {
		m.Nori = s.Nori
		return s.CheckBelow(i.Dir, "root")
	})
	if err != nil {
		return err
	}
	fi, err := os.Stat(i.Initrd) // the last that a build writes
	if err != nil {
		return err
	}
	m.Built = fi.ModTime().UTC().Truncate(time.Second)
	return writeManifest(i.Dir, m)
}

// refuse is an error where somebody stands on the image.
func (i Image) refuse(damage error) error {
	users, err := i.Users()
	if err != nil {
		return err
	}
	below, err := i.options.Standing(i.ID)
	if err != nil {
		return err
	}
	if len(users)+len(below) == 0 {
		return nil
	}
	return &InUseError{ID: i.ID, Damage: damage, Users: users, Testbeds: below}
}

// refuseBelow is an error where machines' disks lie on the image's. Container
// machines lose nothing more by another image where theirs is gone.
func (i Image) refuseBelow(damage error) error {
	below, err := i.options.Standing(i.ID)
	if err != nil || len(below) == 0 {
		return err
	}
	return &InUseError{ID: i.ID, Damage: damage, Testbeds: below}
}

// Users are those who stand on the image now.
func (i Image) Users() ([]inuse.User, error) {
	layers, err := inuse.Layers(i.Root)
	if err != nil {
		return nil, err
	}
	openers, err := inuse.Openers(i.Disk, i.Kernel, i.Initrd)
	return append(layers, openers...), err
}
