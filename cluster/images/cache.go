package images

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/filelock"
	"noriter.dev/noriter/internal/format"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/cache"
	"noriter.dev/noriter/provision/filesum"
	"noriter.dev/noriter/provision/seal"
)

const (
	// bundleVersion is the format of a build's folder: since 1 it has a seal.
	bundleVersion = 1
	// keepBuilds is how many builds stay in the cache, beside those in use.
	keepBuilds = 3

	listName = "images.json"
	sealName = "seal.json"
	// useLock is shared by all who use a build; who removes it has it alone.
	useLock = "use.lock"
	// What is being built and fetched begins so.
	leftoverPrefix = cache.LeftoverPrefix
	fetchingPrefix = ".fetching-"
)

// Build returns the bundle, building it unless it is there and whole. Of two builds at
// once the second waits for the first. As long as this process lives, nobody removes it.
func Build(ctx context.Context, o Options) (*Bundle, error) {
	if o.CacheDir == "" || o.BinDir == "" {
		return nil, errors.New("building images: CacheDir and BinDir must be set")
	}
	o = o.filled()
	if b, err := o.ready(ctx); err == nil {
		return b, nil
	}
	base := filepath.Join(o.CacheDir, "images")
	if err := os.MkdirAll(base, 0o755); err != nil {
		return nil, lang.Errorf("making the cache of images: %w", "이미지 캐시 만들기: %w", err)
	}
	unlock, err := filelock.Lock(ctx, filepath.Join(base, "lock"), lang.Text{
		EN: "another nori to build container images", KO: "다른 nori가 컨테이너 이미지를 만들기",
	}, func() {
		o.Progress(lang.T("waiting for another nori to build container images", "다른 nori가 컨테이너 이미지를 만들기를 기다리는 중"))
	})
	if err != nil {
		return nil, err
	}
	defer unlock()
	return o.underLock(ctx)
}

// Ready says that Build has nothing to build.
func Ready(ctx context.Context, o Options) bool {
	_, err := o.filled().ready(ctx)
	return err == nil
}

// ready gives a bundle that is there and whole.
func (o Options) ready(ctx context.Context) (*Bundle, error) {
	in, err := gather(ctx, o)
	if err != nil {
		return nil, err
	}
	return o.at(in)
}

// at gives the bundle of some inputs, if it is there and whole.
func (o Options) at(in *inputs) (*Bundle, error) {
	dir := filepath.Join(o.CacheDir, "images", in.hash)
	held, err := filelock.Keep(filepath.Join(dir, useLock))
	if err == nil && !held {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	b, err := Open(dir)
	if err == nil {
		err = b.checkSums()
	}
	return b, err
}

// underLock makes a bundle whole, where the one that was waited for has not done it.
func (o Options) underLock(ctx context.Context) (*Bundle, error) {
	in, err := gather(ctx, o)
	var missing *needsFetching
	if errors.As(err, &missing) {
		if err = fetchDebian(ctx, o, missing); err == nil {
			in, err = gather(ctx, o)
		}
	}
	if err != nil {
		return nil, lang.Errorf("gathering what images are built from: %w", "이미지 재료 모으기: %w", err)
	}
	b, damage := o.at(in)
	dir := filepath.Join(o.CacheDir, "images", in.hash)
	var newer *format.NewerError
	switch {
	case damage == nil || errors.As(damage, &newer):
		return b, damage
	case !errors.Is(lstat(dir), fs.ErrNotExist):
		o.Say(lang.Textf("the cached images were damaged (%v); making them again",
			"캐시의 컨테이너 이미지가 손상되어(%v) 다시 만듭니다", damage).String())
	}
	if err := makeBundle(ctx, o, in, dir); err != nil {
		return nil, err
	}
	if b, err = o.at(in); err != nil {
		return nil, err
	}
	if err := prune(filepath.Dir(dir), keepBuilds); err != nil {
		return nil, lang.Errorf("removing old builds of images: %w", "오래된 이미지 빌드 삭제: %w", err)
	}
	return b, nil
}

func lstat(path string) error {
	_, err := os.Lstat(path)
	return err
}

// Open reads a finished build. Without one the error is fs.ErrNotExist, what is wrong
// with one is a *seal.Damage.
func Open(dir string) (*Bundle, error) {
	list, err := os.ReadFile(filepath.Join(dir, listName))
	if err != nil {
		return nil, lang.Errorf("reading the list of images: %w", "이미지 목록 읽기: %w", err)
	}
	b := &Bundle{
		Dir:  dir,
		All:  filepath.Join(dir, allArchive),
		Base: filepath.Join(dir, baseArchive),
		DNS:  filepath.Join(dir, dnsArchive),
		Apps: filepath.Join(dir, appsArchive),
		Seed: filepath.Join(dir, seedArchive),
	}
	if err := json.Unmarshal(list, b); err != nil {
		return nil, seal.New(listName, "%s is empty or garbled", "%s이(가) 비었거나 깨졌습니다", err)
	}
	if err := format.Check(lang.Textf("the build of images %s", "이미지 빌드 %s", dir), b.Version, bundleVersion, b.Nori); err != nil {
		return nil, err
	}
	return b, b.bySeal(func(s *seal.Seal) (bool, error) { return s.Check(dir) })
}

// Verify reads all archives. What it finds, the next Open finds, too.
func (b *Bundle) Verify() error {
	return b.bySeal(func(s *seal.Seal) (bool, error) { return s.Verify(b.Dir) })
}

// bySeal looks at the build's files by its seal, and keeps what the look changed in it.
func (b *Bundle) bySeal(look func(*seal.Seal) (bool, error)) error {
	path := filepath.Join(b.Dir, sealName)
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

// checkSums reads what is sent to machines, which is read for that anyway, and only
// once for all of them.
func (b *Bundle) checkSums() error {
	s, err := seal.Read(filepath.Join(b.Dir, sealName))
	if err != nil {
		return err
	}
	for _, name := range []string{baseArchive, dnsArchive, appsArchive, seedArchive} {
		sum, err := filesum.Of(filepath.Join(b.Dir, name))
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(s.Files, func(f seal.File) bool { return f.Path == name && f.Sum == sum.SHA256 }) {
			return seal.New(name, "%s holds other bytes", "%s의 내용이 다릅니다", nil)
		}
	}
	return nil
}

func sealBundle(dir string) error {
	s, err := seal.Make(dir, listName, allArchive, baseArchive, dnsArchive, appsArchive, seedArchive)
	if err != nil {
		return err
	}
	return s.Write(filepath.Join(dir, sealName))
}

// replace gives a finished folder its name; what has the name goes as a leftover.
func replace(work, dir string) error {
	old := work + "-old"
	if err := os.Rename(dir, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return lang.Errorf("moving the damaged images away: %w", "손상된 이미지 치우기: %w", err)
	}
	if err := os.Rename(work, dir); err != nil {
		return lang.Errorf("putting the finished images in place: %w", "완성된 이미지를 제자리에 두기: %w", err)
	}
	return os.RemoveAll(old)
}

// prune removes all finished builds under dir but the newest, and those that somebody
// uses.
func prune(dir string, keep int) error {
	lists, err := filepath.Glob(filepath.Join(dir, "*", listName))
	if err != nil || len(lists) <= keep {
		return err
	}
	made := map[string]time.Time{}
	for _, list := range lists {
		info, err := os.Stat(list)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another build prunes, too
		}
		if err != nil {
			return err
		}
		made[list] = info.ModTime()
	}
	slices.SortFunc(lists, func(a, b string) int { return made[b].Compare(made[a]) })
	for _, list := range lists[keep:] {
		release, alone, err := filelock.Try(filepath.Join(filepath.Dir(list), useLock))
		if errors.Is(err, fs.ErrNotExist) || err == nil && !alone {
			continue
		}
		if err != nil {
			return err
		}
		err = cache.Remove(filepath.Dir(list))
		release()
		if err != nil {
			return err
		}
	}
	return nil
}
