package testbed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/mountinfo"
	"noriter.dev/noriter/internal/shell"
	"noriter.dev/noriter/provision/machine"
)

// trouble is one way in which a home can't be used.
type trouble struct {
	errnos []unix.Errno
	// what takes the home's folder, and remedy that, too, quoted for a shell.
	what   lang.Text
	remedy string
}

var troubles = []trouble{{
	errnos: []unix.Errno{unix.ENOTDIR, unix.EEXIST},
	what:   lang.Text{EN: "the state folder %s is no folder, or lies in something that is none", KO: "상태 폴더 %s이(가) 폴더가 아니거나 폴더가 아닌 것 안에 있습니다"},
	remedy: "NORI_HOME=FOLDER nori …   # ls -ld %s",
}, {
	errnos: []unix.Errno{unix.EROFS},
	what:   lang.Text{EN: "the state folder %s is on a file system that is read-only", KO: "상태 폴더 %s이(가) 읽기 전용 파일 시스템에 있습니다"},
	remedy: `mount -o remount,rw "$(findmnt -nro TARGET -T %s)"   # or NORI_HOME=FOLDER nori …`,
}, {
	errnos: []unix.Errno{unix.ENOSPC, unix.EDQUOT},
	what:   lang.Text{EN: "no space is left for the state folder %s", KO: "상태 폴더 %s에 남은 공간이 없습니다"},
	remedy: "df -h %s",
}}

// Trouble makes of an error at a file of this home, where it is the home that can't be
// used, what this host lacks and how that is mended. Other errors stay as they are.
func (h Home) Trouble(err error) error {
	var usage *UsageError
	var host *machine.HostError
	path, errno := failedAt(err)
	if errors.As(err, &usage) || errors.As(err, &host) || path == "" || !mountinfo.Within(path, h.Dir) && !mountinfo.Within(h.Dir, path) {
		return err
	}
	if errno == unix.EACCES || errno == unix.EPERM {
		return h.ofAnother(path, err)
	}
	for _, t := range troubles {
		if slices.Contains(t.errnos, errno) {
			return &machine.HostError{Err: err, What: fmt.Sprintf(t.what.String(), h.Dir), Remedy: fmt.Sprintf(t.remedy, shell.Quote(h.Dir))}
		}
	}
	return err
}

// failedAt is the file that an error is about, and why.
func failedAt(err error) (path string, errno unix.Errno) {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		path = p.Path
	case errors.As(err, &l):
		path = l.New
	}
	if !errors.As(err, &errno) {
		return "", 0
	}
	return path, errno
}

// ofAnother is a home that another user may use, and this one not.
func (h Home) ofAnother(path string, err error) error {
	owner := ownerOf(path)
	sudo := "sudo"
	if owner != "root" {
		sudo += " -u " + shell.Quote(owner)
	}
	if me, uerr := user.Current(); uerr == nil && me.Username == owner {
		return err // its mode says so, and that is as clear
	}
	return &machine.HostError{Err: err,
		What:   lang.Textf("the state folder %s belongs to the user %s", "상태 폴더 %s은(는) 사용자 %s의 것입니다", h.Dir, owner).String(),
		Remedy: sudo + " NORI_HOME=" + shell.Quote(h.Dir) + " nori …   # " + lang.T("or NORI_HOME=FOLDER nori … with a folder of your own", "또는 자신의 폴더로 NORI_HOME=FOLDER nori …"),
	}
}

// ownerOf is the user to whom a file, or the folder that it would be in, belongs.
func ownerOf(path string) string {
	for {
		if fi, err := os.Lstat(path); err == nil {
			st, ok := fi.Sys().(*syscall.Stat_t)
			if !ok {
				return "root"
			}
			if u, err := user.LookupId(fmt.Sprint(st.Uid)); err == nil {
				return u.Username
			}
			return fmt.Sprintf("#%d", st.Uid)
		}
		parent := filepath.Dir(path)
		if parent == path {
			return "root"
		}
		path = parent
	}
}
