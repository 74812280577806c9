package testbed

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"syscall"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/learner"
)

// Desk is the place of one learner on one testbed: what they have done, the files that
// labs have handed out, their kubeconfig. It is theirs, and nobody else's.
type Desk struct {
	// Dir is HOME/learner/USER/TESTBED.
	Dir  string
	User *learner.User

	testbed *Testbed
}

// Who is the learner here: the caller. Where the machines are behind another host, they
// are reached by an SSH connection of root's, and so is the cluster: there root stays.
func (t *Testbed) Who() (*learner.User, error) {
	u, err := learner.Caller()
	if err != nil || u.Self() || t.Dialer() == nil {
		return u, err
	}
	return nil, nil
}

// deskName is a user's name as a folder's.
var deskName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// Desk makes a learner's desk, or opens it, and takes over what an older version kept
// elsewhere. Nil is whoever runs this process.
func (t *Testbed) Desk(u *learner.User) (*Desk, error) {
	if u == nil {
		u = learner.Current()
	}
	if err := t.home.Settle(); err != nil {
		return nil, err
	}
	room := filepath.Join(t.home.Learner(), "of-"+deskName.ReplaceAllString(u.Name, "_"))
	if err := roomOf(u, room); err != nil {
		return nil, err
	}
	d := &Desk{Dir: filepath.Join(room, t.Name()), User: u, testbed: t}
	if _, err := d.stat(); !errors.Is(err, fs.ErrNotExist) {
		return d, err
	}
	if err := d.takeOver(); err != nil {
		return nil, lang.Errorf("taking over what %s has done on testbed %q: %w", "%s이(가) 테스트베드 %q에서 진행한 내용 이어받기: %w", u.Name, t.Name(), err)
	}
	return d, nil
}

// stat is an error, too, where the learner can't get at their own desk.
func (d *Desk) stat() (fi fs.FileInfo, err error) {
	err = d.User.Do(func() error {
		fi, err = os.Lstat(d.Dir)
		return err
	})
	if errors.Is(err, fs.ErrPermission) {
		err = lang.Errorf("%[2]s can't reach the folder %[1]s: a folder above it is closed to them (NORI_HOME puts it elsewhere): %[3]w",
			"%[2]s이(가) %[1]s 폴더에 접근할 수 없습니다. 위쪽 폴더가 닫혀 있습니다(NORI_HOME으로 다른 곳에 둘 수 있습니다): %[3]w", d.Dir, d.User.Name, err)
	}
	return fi, err
}

// roomOf makes the folder of a learner's desks. Only root can make one for somebody else,
// and the folder above is root's: nobody can lay anything in its place.
func roomOf(u *learner.User, room string) error {
	err := os.Mkdir(room, 0o700)
	if err == nil && !u.Self() {
		err = os.Chown(room, u.UID, u.GID)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return lang.Errorf("making the folder of %s: %w", "%s의 폴더 만들기: %w", u.Name, err)
	}
	fi, err := os.Lstat(room)
	if err != nil {
		return lang.Errorf("opening the folder of %s: %w", "%s의 폴더 열기: %w", u.Name, err)
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); !fi.IsDir() || ok && int(st.Uid) != u.UID {
		return lang.Errorf("the folder %[2]s is not that of %[1]s: move it away", "%[2]s은(는) %[1]s의 폴더가 아닙니다. 다른 곳으로 옮기세요", u.Name, room)
	}
	return nil
}

// Work is the folder of the files that labs have handed out.
func (d *Desk) Work() string { return filepath.Join(d.Dir, "work") }

// Progress is the file with what the learner has done.
func (d *Desk) Progress() string { return filepath.Join(d.Dir, progressFile) }

// Making is the lock under which worlds of labs are made and removed, whoever the learner is.
func (d *Desk) Making() string {
	return filepath.Join(d.testbed.home.Learner(), d.testbed.Name()+".making.lock")
}

// Agreed is the file with the labs from elsewhere that the learner has agreed to, on
// whichever testbed.
func (d *Desk) Agreed() string { return filepath.Join(filepath.Dir(d.Dir), "agreed") }

// KubectlCache is where the learner's kubectl keeps what kinds of objects there are.
func (d *Desk) KubectlCache() string {
	if d.User.Self() {
		return d.testbed.KubectlCache()
	}
	return filepath.Join(d.Dir, "kubectl-cache")
}

// ProgramDir is the folder of links to kubectl and nori that every learner can read.
func (h Home) ProgramDir() string { return filepath.Join(h.Learner(), "bin") }

// forgetKinds empties the kubectl caches of all learners.
func (t *Testbed) forgetKinds() error {
	if err := os.RemoveAll(t.KubectlCache()); err != nil {
		return lang.Errorf("emptying kubectl's cache: %w", "kubectl의 캐시 비우기: %w", err)
	}
	desks, err := filepath.Glob(filepath.Join(t.home.Learner(), "of-*", t.Name()))
	for _, dir := range desks {
		owner, ownerErr := learner.Owner(filepath.Dir(dir))
		if ownerErr == nil {
			ownerErr = owner.RemoveAll(filepath.Join(dir, "kubectl-cache"))
		}
		err = errors.Join(err, ownerErr)
	}
	if err != nil {
		return lang.Errorf("emptying kubectl's cache: %w", "kubectl의 캐시 비우기: %w", err)
	}
	return nil
}
