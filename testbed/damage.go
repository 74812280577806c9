package testbed

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"noriter.dev/noriter/cluster/images"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/image"
	"noriter.dev/noriter/provision/inuse"
	"noriter.dev/noriter/provision/seal"
	"noriter.dev/noriter/provision/step"
)

// hasItsRoot refuses to build an image anew below machines that run on one that is
// gone: they would not see it.
func (t *Testbed) hasItsRoot() error {
	root := filepath.Join(t.home.Cache(), "image", t.state.ImageID, "root")
	if _, err := os.Stat(root); !t.made() || !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	users, err := inuse.Layers(root)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(users, func(u inuse.User) bool { return strings.HasPrefix(u.Mount, t.Dir()+"/") }) {
		return t.canBoot() // which says so
	}
	return nil
}

// whatToType adds the commands to an error that machines are in the way.
func (t *Testbed) whatToType(err error) error {
	var inUse *image.InUseError
	if !errors.As(err, &inUse) {
		return err
	}
	all, listed := t.home.tenants()
	if listed != nil {
		return errors.Join(err, listed)
	}
	var commands []string
	for _, u := range all {
		mounted := slices.ContainsFunc(inUse.Users, func(m inuse.User) bool { return strings.HasPrefix(m.Mount, u.dir()+"/") })
		if mounted || slices.Contains(inUse.Testbeds, u.label(t.home)) {
			commands = append(commands, "`"+u.command(t.home, "down")+"`")
		}
	}
	remedy := lang.Textf("once that has ended, `%s` makes the image again", "이것이 끝난 뒤 `%s` 명령으로 이미지를 다시 만듭니다", t.Command("up"))
	if len(commands) > 0 {
		remedy = lang.Textf("%s, then `%s` makes it again", "%s 다음에 `%s` 명령으로 다시 만듭니다", strings.Join(commands, ", "), t.Command("up"))
	}
	return &Mendable{Err: err, Remedy: remedy}
}

// run runs steps that use the caches. Where one fails, the caches are read, since the
// reason may be damage that no look has shown: then it is said, and the next try finds
// it at once.
func (t *Testbed) run(ctx context.Context, steps []step.Step, report step.Reporter) error {
	err := t.RunSteps(ctx, steps, report)
	var failed *step.Error
	var known *Mendable
	if !errors.As(err, &failed) || errors.As(err, &known) || ctx.Err() != nil {
		return err
	}
	var d *seal.Damage
	if img, open := t.image(); open == nil && errors.As(img.Verify(), &d) {
		return &Mendable{Err: err, Remedy: lang.Textf("the machine image in the cache is damaged (%v): `%s`, then `nori up --name %s` make both again",
			"캐시의 머신 이미지가 손상되었습니다(%v). `%s` 다음에 `nori up --name %s` 명령으로 둘 다 다시 만드세요", d.Text(), t.Command("down"), t.Name())}
	}
	if t.bundle == "" {
		return err
	}
	if b, damage := images.Open(t.bundle); errors.As(damage, &d) || damage == nil && errors.As(b.Verify(), &d) {
		return &Mendable{Err: err, Remedy: lang.Textf("the container images in the cache are damaged (%v): the same command again makes them anew",
			"캐시의 컨테이너 이미지가 손상되었습니다(%v). 같은 명령을 다시 실행하면 새로 만듭니다", d.Text())}
	}
	return err
}
