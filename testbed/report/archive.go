package report

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
)

// Write puts a report into an archive, whole or not at all, that only its owner can
// read. A file of that name is not overwritten.
func (rep Report) Write(file string, now time.Time, getenv func(string) string) (err error) {
	dir := filepath.Dir(file)
	out, err := os.CreateTemp(dir, ".nori-report-*") // mode 0600
	if err != nil {
		return writing(file, err)
	}
	defer os.Remove(out.Name()) // gone already where all went well
	err = rep.archive(out, strings.TrimSuffix(filepath.Base(file), ".tar.gz"), now)
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return writing(file, err)
	}
	// Behind sudo the file is for the one before it.
	uid, uerr := strconv.Atoi(getenv("SUDO_UID"))
	gid, gerr := strconv.Atoi(getenv("SUDO_GID"))
	if uerr == nil && gerr == nil && os.Geteuid() == 0 {
		if err := os.Chown(out.Name(), uid, gid); err != nil {
			return writing(file, err)
		}
	}
	// A link, unlike a new name, takes the place of nothing.
	if err := os.Link(out.Name(), file); err != nil {
		return writing(file, err)
	}
	return nil
}

// writing says in which place it went wrong, and what to do about a full disk.
func writing(file string, err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return &machine.HostError{
			What:   lang.Textf("there is no room for the report in %s", "%s에 보고서를 저장할 공간이 없습니다", filepath.Dir(file)).String(),
			Remedy: lang.T("nori report -o /OTHER/DISK/report.tar.gz", "nori report -o /OTHER/DISK/report.tar.gz"), Err: err,
		}
	}
	if errors.Is(err, fs.ErrExist) {
		return lang.Errorf("%s is there already; -o names another file", "%s이(가) 이미 있습니다. -o로 다른 파일을 지정하세요", file)
	}
	return lang.Errorf("writing the report: %w", "보고서 쓰기: %w", err)
}

// archive writes all files below a folder of the archive's name.
func (rep Report) archive(to io.Writer, folder string, now time.Time) error {
	zip := gzip.NewWriter(to)
	t := tar.NewWriter(zip)
	for _, f := range rep.Files {
		h := &tar.Header{Name: path.Join(folder, f.Name), Mode: 0o600, Size: int64(len(f.Data)), ModTime: now, Format: tar.FormatPAX}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if _, err := t.Write(f.Data); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), zip.Close())
}
