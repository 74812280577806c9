// Package learner is the person who called: whoever typed `nori`, also where sudo
// made root of them. Only machines need root. A shell, an editor, kubectl and the
// scripts of labs are that person's, and run as them: Own makes a command theirs, Do
// reaches their files with their rights. There is no other place that gives root up.
package learner

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"noriter.dev/noriter/internal/lang"
)

// User is somebody whose commands and files these are.
type User struct {
	Name        string
	UID, GID    int
	Groups      []uint32
	Home, Shell string

	// self says that this process is theirs already: nothing has to be given up.
	self bool
	// stranger says that what runs as them is not to be trusted with what is the caller's.
	stranger bool
}

// Self tells whether this process runs as them.
func (u *User) Self() bool { return u == nil || u.self }

// Caller is who called: the user whom sudo names, held against the user database, or
// else the one whom this process runs as. Root who is really root stays root, also with a
// SUDO_USER that no sudo set, which would have set SUDO_UID beside it.
func Caller() (*User, error) { return caller(os.Geteuid(), os.Getenv, users.byName) }

// Nobody is who runs what must not be trusted with the rights of root, nor with root's
// terminal and environment.
func Nobody() (*User, error) {
	u, err := byName("nobody")
	if err == nil {
		u.stranger = true
	}
	return u, err
}

// errNotAsSudoSays is an environment that was not made by sudo, or an account that is
// gone. Going on as root would be more than was asked for.
func errNotAsSudoSays(name, uid string) error {
	return lang.Errorf("SUDO_USER says %q and SUDO_UID %q, which the user database does not: call nori by sudo, or as root without these variables",
		"SUDO_USER는 %q, SUDO_UID는 %q인데 사용자 데이터베이스와 맞지 않습니다. sudo로 nori를 실행하거나, 이 변수들 없이 root로 실행하세요", name, uid)
}

func caller(euid int, getenv func(string) string, lookup func(string) (*User, error)) (*User, error) {
	name, uid := getenv("SUDO_USER"), getenv("SUDO_UID")
	if euid != 0 || uid == "" || uid == "0" && name == "root" {
		return Current(), nil
	}
	u, err := lookup(name)
	if err != nil || strconv.Itoa(u.UID) != uid || u.UID == 0 || strconv.Itoa(u.GID) != getenv("SUDO_GID") {
		return nil, errNotAsSudoSays(name, uid)
	}
	return u, nil
}

// Current is the user of this process. One without an account has a number for a name.
func Current() *User {
	u := &User{UID: os.Geteuid(), GID: os.Getegid(), Home: os.Getenv("HOME"), self: true}
	u.Name = strconv.Itoa(u.UID)
	if known, err := user.Current(); err == nil && known.Username != "" {
		u.Name = known.Username
	}
	return u
}

// Owner is whose a file is, without their groups and home.
func Owner(path string) (*User, error) {
	fi, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) == os.Geteuid() {
		return Current(), nil
	}
	return &User{Name: strconv.Itoa(int(st.Uid)), UID: int(st.Uid), GID: int(st.Gid)}, nil
}

// byName asks the user database, which may be another than /etc/passwd.
func byName(name string) (*User, error) {
	if name == "" || strings.HasPrefix(name, "-") {
		return nil, lang.Errorf("%q is no user", "%q은(는) 사용자가 아닙니다", name)
	}
	out, err := exec.Command("getent", "passwd", "--", name).Output()
	if err != nil {
		return nil, lang.Errorf("looking for the user %s: %w", "사용자 %s 찾기: %w", name, err)
	}
	u, err := parse(string(out))
	if err != nil || u.Name != name {
		return nil, lang.Errorf("the user database says this of %s: %q", "사용자 데이터베이스가 %s에 대해 알려 준 내용: %q", name, out)
	}
	if out, err = exec.Command("id", "-G", "--", name).Output(); err != nil {
		return nil, lang.Errorf("looking for the groups of %s: %w", "사용자 %s의 그룹 찾기: %w", name, err)
	}
	for _, g := range strings.Fields(string(out)) {
		n, err := strconv.ParseUint(g, 10, 32)
		if err != nil {
			return nil, lang.Errorf("looking for the groups of %s: %w", "사용자 %s의 그룹 찾기: %w", name, err)
		}
		if n != 0 || u.GID == 0 { // who is in the group root on paper needs it for nothing here
			u.Groups = append(u.Groups, uint32(n))
		}
	}
	return u, nil
}

// parse reads a line of passwd(5).
func parse(line string) (*User, error) {
	f := strings.Split(strings.TrimSpace(line), ":")
	if len(f) != 7 {
		return nil, strconv.ErrSyntax
	}
	uid, err := strconv.Atoi(f[2])
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(f[3])
	if err != nil {
		return nil, err
	}
	return &User{Name: f[0], UID: uid, GID: gid, Home: f[5], Shell: f[6]}, nil
}

// Own makes a command this person's: it runs with their rights, their groups and
// their environment, in the network namespace that this process is in.
func (u *User) Own(c *exec.Cmd) {
	if u.Self() {
		return
	}
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(u.UID), Gid: uint32(u.GID), Groups: u.Groups}
	if c.Env == nil {
		c.Env = os.Environ()
	}
	c.Env = u.environment(c.Env)
	if u.stranger {
		Apart(c)
	}
}

// Apart gives a command a session of its own. A terminal does what is typed, and whoever
// has it can type (TIOCSTI), or have it obey what is written to it: in another session
// there is none. What ends the command ends all of that session that it started.
func Apart(c *exec.Cmd) {
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.SysProcAttr.Setsid = true
	if c.Cancel != nil {
		c.Cancel = func() error {
			return errors.Join(syscall.Kill(-c.Process.Pid, syscall.SIGKILL), c.Process.Kill())
		}
	}
}

// ofRoot are variables that root's environment has, and sudo's, and that are not this
// person's. A command that asks sudo again gets new ones.
var ofRoot = []string{"HOME", "USER", "LOGNAME", "SHELL", "MAIL", "SUDO_USER", "SUDO_UID", "SUDO_GID", "SUDO_COMMAND", "SUDO_HOME",
	"XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "TMPDIR"}

// forStrangers are variables that are no secret of root's: how to run, and what is meant.
var forStrangers = regexp.MustCompile(`^(PATH|TERM|TZ|NO_COLOR|LANG|LANGUAGE|LC_\w+|LAB_\w+|NORI_\w+|KUBECONFIG|KUBECACHEDIR)$`)

func (u *User) environment(env []string) []string {
	out := slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(ofRoot, name) || u.stranger && !forStrangers.MatchString(name)
	})
	return append(out, "HOME="+u.Home, "USER="+u.Name, "LOGNAME="+u.Name, "SHELL="+u.Shell)
}

// TempDir makes a folder for temporary files that is this person's alone.
func (u *User) TempDir(pattern string) (dir string, err error) {
	err = u.Do(func() error {
		in := ""
		if !u.Self() {
			in = "/tmp" // not root's TMPDIR
		}
		dir, err = os.MkdirTemp(in, pattern)
		return err
	})
	return dir, err
}

// RemoveAll removes what is at a path, with this person's rights.
func (u *User) RemoveAll(path string) error {
	return u.Do(func() error { return os.RemoveAll(path) })
}

// WriteFile is os.WriteFile with this person's rights; a new file is theirs. The file is
// replaced whole.
func (u *User) WriteFile(path string, data []byte, mode os.FileMode) error {
	return u.Do(func() error {
		f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
		if err != nil {
			return err
		}
		_, err = f.Write(data)
		for _, step := range []func() error{func() error { return f.Chmod(mode) }, f.Close} {
			if failed := step(); err == nil {
				err = failed
			}
		}
		if err == nil {
			err = os.Rename(f.Name(), path)
		}
		if err != nil {
			_ = os.Remove(f.Name()) // what failed is told
		}
		return err
	})
}

// ReadFile is os.ReadFile with this person's rights.
func (u *User) ReadFile(path string) (data []byte, err error) {
	err = u.Do(func() error {
		data, err = os.ReadFile(path)
		return err
	})
	return data, err
}
