package testbed

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
)

// TestHomeThatIsAFile, and one below a file: whatever asks for the home first.
func TestHomeThatIsAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		h := Home{dir}
		_, lock := h.lock(t.Context(), "x", "up", quietly)
		_, names := h.Names()
		_, state := h.readState("x")
		for what, err := range map[string]error{"lock": lock, "names": names, "state": state} {
			var host *machine.HostError
			if got := h.Trouble(err); !errors.As(got, &host) || !strings.Contains(got.Error(), "is no folder") || !strings.Contains(host.Remedy, "NORI_HOME=FOLDER") {
				t.Errorf("%s of %s: %v", what, dir, got)
			}
		}
	}
}

func TestTrouble(t *testing.T) {
	h := Home{filepath.Join(t.TempDir(), "it's")}
	at := func(path string, errno unix.Errno) error {
		return lang.Errorf("doing: %w", "하기: %w", &fs.PathError{Op: "open", Path: path, Err: errno})
	}
	for _, c := range []struct {
		err          error
		what, remedy string
	}{
		{at(h.Dir+"/locks/x", unix.EROFS), "read-only", "NORI_HOME=FOLDER"},
		{at(h.Dir, unix.ENOSPC), "no space is left", `df -h '`},
		{lang.Errorf("doing: %w", "하기: %w", &os.LinkError{Op: "rename", Old: "/x", New: h.Dir + "/y", Err: unix.EROFS}), "read-only", "NORI_HOME"},
		{at("/etc/passwd", unix.EROFS), "", ""},
		{at(h.Dir+"-not/x", unix.EROFS), "", ""},
		{at(h.Dir+"/x", unix.EIO), "", ""},
		{usage("a mistake: %w", "실수: %w", at(h.Dir, unix.EROFS)), "", ""},
		{&machine.HostError{What: "else", Err: at(h.Dir, unix.EROFS)}, "", ""},
		{errors.New("else"), "", ""},
	} {
		got := h.Trouble(c.err)
		var host *machine.HostError
		if c.what == "" {
			if got != c.err {
				t.Errorf("%v became %v", c.err, got)
			}
			continue
		}
		if !errors.As(got, &host) || !strings.Contains(host.What, c.what) || !strings.Contains(host.Remedy, c.remedy) {
			t.Errorf("%v became %v", c.err, got)
		}
	}
	if h.Trouble(nil) != nil {
		t.Error("no error became one")
	}
}

// TestTroubleOfAnother: the remedy names the user to whom the home belongs.
func TestTroubleOfAnother(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	denied := func(path string) error { return &fs.PathError{Op: "open", Path: path, Err: unix.EACCES} }
	own := Home{t.TempDir()}
	if got := own.Trouble(denied(own.Dir + "/x")); got.Error() != denied(own.Dir+"/x").Error() {
		t.Errorf("a home of %s's own: %v", me.Username, got)
	}
	roots := Home{"/proc/1/not there"} // root's, whoever we are
	var host *machine.HostError
	got := roots.Trouble(denied(roots.Dir + "/x"))
	if me.Username == "root" {
		if err := os.Chown(own.Dir, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		if got := own.Trouble(denied(own.Dir + "/x")); !errors.As(got, &host) || !strings.HasPrefix(host.Remedy, "sudo -u 'nobody' NORI_HOME=") {
			t.Errorf("nobody's: %v", got)
		}
		return
	}
	if !errors.As(got, &host) || !strings.HasPrefix(host.Remedy, "sudo NORI_HOME='/proc/1/not there' nori …") {
		t.Errorf("root's: %v", got)
	}
}
