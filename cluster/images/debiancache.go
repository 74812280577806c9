package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"noriter.dev/noriter/internal/format"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/seal"
)

// debianArchive is where the files of Debian's packages are kept that recipes look at.
func debianArchive(o Options) string {
	key := sha256.Sum256([]byte(fetchVersion + suite + packages + oldSuite + o.Mirror))
	return filepath.Join(o.CacheDir, "images", fmt.Sprintf("debian-%s-%x.tar", suite, key[:4]))
}

// archiveSeal is the seal of such an archive. One without is an older nori's.
func archiveSeal(archive string) string { return archive + ".seal.json" }

// debianFiles returns those files of Debian's packages that the recipes look at,
// fetching them if they are not there, or not whole. The archive of them is written to
// sum. The caller has the lock, or will find the archive.
func debianFiles(ctx context.Context, o Options, sum io.Writer) (*tree, error) {
	archive := debianArchive(o)
	t, err := readDebian(archive, sum)
	var newer *format.NewerError
	if err == nil || errors.As(err, &newer) {
		return t, err
	}
	return nil, &needsFetching{archive: archive, damage: err}
}

// needsFetching says that Debian's files have to be fetched, and why.
type needsFetching struct {
	archive string
	damage  error
}

func (e *needsFetching) Error() string { return e.damage.Error() }
func (e *needsFetching) Unwrap() error { return e.damage }

// readDebian reads the archive, all of it, so that no damage escapes it.
func readDebian(archive string, sum io.Writer) (*tree, error) {
	f, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	own := sha256.New()
	t, err := readTree(io.TeeReader(f, io.MultiWriter(sum, own)), keepAll)
	if err != nil {
		return nil, seal.New(filepath.Base(archive), "%s is cut short or garbled", "%s이(가) 잘렸거나 깨졌습니다", err)
	}
	s, err := seal.Read(archiveSeal(archive))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return t, adoptDebian(archive, t)
	case err != nil:
		return nil, err
	case s.Files[0].Sum != hex.EncodeToString(own.Sum(nil)):
		return nil, seal.New(filepath.Base(archive), "%s holds other bytes", "%s의 내용이 다릅니다", nil)
	}
	return t, nil
}

// adoptDebian seals an archive of an older nori, if what recipes need is in it.
func adoptDebian(archive string, t *tree) error {
	for _, program := range []string{"usr/bin/busybox", "usr/sbin/nginx", oldNginx, "usr/bin/bash", "usr/bin/curl", "usr/bin/dig"} {
		if _, f, err := t.resolve(program); err != nil || len(f.content) == 0 {
			return seal.New(filepath.Base(archive), "%s lacks files", "%s에 없는 파일이 있습니다", err)
		}
	}
	if err := sealDebian(archive); !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil // another user's cache
}

func sealDebian(archive string) error {
	s, err := seal.Make(filepath.Dir(archive), filepath.Base(archive))
	if err != nil {
		return err
	}
	return s.Write(archiveSeal(archive))
}

// fetchDebian fetches Debian's files and keeps them.
func fetchDebian(ctx context.Context, o Options, why *needsFetching) error {
	if !errors.Is(why.damage, fs.ErrNotExist) {
		o.Say(lang.Textf("the cached files of Debian's packages were damaged (%v); fetching them again",
			"캐시의 데비안 패키지 파일이 손상되어(%v) 다시 받습니다", why.damage).String())
	}
	t, err := collectDebian(ctx, o, why.archive)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(why.archive), fetchingPrefix)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := t.tar(f); err != nil {
		return err
	}
	// Without the old seal what comes to lie there is an archive to be sealed; with it,
	// a damaged one.
	err = errors.Join(f.Chmod(0o644), f.Sync(), os.RemoveAll(archiveSeal(why.archive)), os.Rename(f.Name(), why.archive))
	if err == nil {
		err = sealDebian(why.archive)
	}
	if err != nil {
		return lang.Errorf("keeping Debian's files for next time: %w", "다음에 쓸 데비안 파일 저장: %w", err)
	}
	return nil
}

// collectDebian is Debian's files: what came with the programs, or else from a mirror.
func collectDebian(ctx context.Context, o Options, archive string) (*tree, error) {
	if e, ok := o.Stock.Find(stockPath(archive)); ok {
		return stockedDebian(ctx, o, e)
	}
	o.Progress(lang.T("fetching Debian packages for container images", "컨테이너 이미지에 쓸 데비안 패키지를 받는 중"))
	t, err := o.fetch(ctx, o, suite, packages, wanted)
	if err != nil {
		return nil, err
	}
	old, err := o.fetch(ctx, o, oldSuite, "nginx", func(p string) bool {
		return p == "usr/sbin/nginx" || strings.HasPrefix(p, docs+"nginx/") && documents(p)
	})
	if err != nil {
		return nil, err
	}
	if err := old.copy(t, "usr/sbin/nginx", oldNginx); err != nil {
		return nil, err
	}
	return t, t.notePackages(old)
}
