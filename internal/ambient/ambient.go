// Package ambient keeps what surrounds the process from deciding about our own
// machines: proxies, umask, search path, a folder for temporary files that is
// not there, what a service manager or a loader was told. Settle puts it right
// once, when the program starts.
//
// What goes out (Debian's packages) does honour proxies: it runs with Outgoing.
// What belongs to the person who called (a shell, this program once more) gets
// their environment back, with Shell or Original.
package ambient

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// ProxyVariables are what programs look for a proxy in; libraries differ in case.
var ProxyVariables = []string{
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY", "NO_PROXY",
	"http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "no_proxy",
}

// misleading are variables that change what the programs do which we start, a row for
// each kind.
var misleading = []struct {
	names []string
	// theirs says that a person's own shell gets them back.
	theirs bool
}{
	// The loader's: libraries that were meant for one program alone.
	{[]string{"LD_LIBRARY_PATH", "LD_PRELOAD", "LD_AUDIT"}, true},
	// What shells do before a script's first line, and where a script's `cd` leads.
	{[]string{"BASH_ENV", "ENV", "CDPATH", "GLOBIGNORE"}, true},
	// With these bash reads no file for interactive shells, or ends at the first failure.
	{[]string{"POSIXLY_CORRECT", "SHELLOPTS", "BASHOPTS"}, false},
	// Options for each run of tar, of perl (mmdebstrap is in it), of compressors.
	{[]string{"TAR_OPTIONS", "PERL5OPT", "PERL5LIB", "PERLLIB", "GZIP", "XZ_OPT", "XZ_DEFAULTS", "ZSTD_CLEVEL"}, true},
	// A service's: what is started here is not that service (sd_notify(3), sd_listen_fds(3)).
	{[]string{"NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC", "MAINPID", "INVOCATION_ID", "JOURNAL_STREAM"}, false},
}

// systemPath are the folders in which programs lie that make machines. A path
// without sbin is what `su` leaves on Debian.
var systemPath = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

var (
	mu       sync.Mutex
	original []string // before Settle; nil if it was not called
)

// Settle makes the environment one in which our machines come out alike on every
// host. It is called once, before anything else looks at the environment.
func Settle() error {
	mu.Lock()
	defer mu.Unlock()
	original = os.Environ()
	// What we make for machines must be readable in them; secrets name their mode.
	unix.Umask(0o022)
	for _, v := range append(namesOf(false), ProxyVariables...) {
		if err := os.Unsetenv(v); err != nil {
			return err
		}
	}
	if err := leaveLostFolder(); err != nil {
		return err
	}
	if err := os.Setenv("PATH", withSystemPath(os.Getenv("PATH"))); err != nil {
		return err
	}
	if err := settleTemp(); err != nil {
		return err
	}
	if !usableHome(os.Getenv("HOME")) {
		if u, err := user.Current(); err == nil && u.HomeDir != "" {
			return os.Setenv("HOME", u.HomeDir)
		}
	}
	return nil
}

// namesOf are the misleading variables, all of them or those that a shell gets back.
func namesOf(theirs bool) (names []string) {
	for _, m := range misleading {
		if m.theirs || !theirs {
			names = append(names, m.names...)
		}
	}
	return names
}

// leaveLostFolder goes to the root where the folder that we are in was removed: every
// shell that is started in such a one begins with complaints.
func leaveLostFolder() error {
	var here unix.Stat_t
	if err := unix.Stat(".", &here); err == nil && here.Nlink > 0 {
		return nil
	}
	return os.Chdir("/")
}

// withSystemPath adds the system's folders that are missing, behind the others.
func withSystemPath(path string) string {
	var dirs []string
	if path != "" {
		dirs = strings.Split(path, ":")
	}
	for _, d := range systemPath {
		if !slices.Contains(dirs, d) {
			dirs = append(dirs, d)
		}
	}
	return strings.Join(dirs, ":")
}

// usableHome says whether files may be looked for in a home folder. It need not be there,
// but where it is below a file, kubectl takes that for a failure.
func usableHome(dir string) bool {
	if !filepath.IsAbs(dir) {
		return false
	}
	st, err := os.Stat(dir)
	return errors.Is(err, fs.ErrNotExist) || err == nil && st.IsDir()
}

// settleTemp chooses the folder for temporary files: one that may be written to, and from
// which programs may be run, which some hosts forbid. Where there is none the caller's
// choice stays, and what needs it says what is wrong.
func settleTemp() error {
	for _, dir := range []string{os.Getenv("TMPDIR"), "/tmp", "/var/tmp"} {
		if dir != "" && usableTemp(dir) {
			return os.Setenv("TMPDIR", dir)
		}
	}
	return nil
}

func usableTemp(dir string) bool {
	st, err := os.Stat(dir)
	if err != nil || !st.IsDir() || unix.Access(dir, unix.W_OK|unix.X_OK) != nil {
		return false
	}
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && fs.Flags&unix.ST_NOEXEC == 0
}

// Original is the environment that the caller gave, for running this program
// once more (as root, in another namespace).
func Original() []string {
	mu.Lock()
	defer mu.Unlock()
	if original == nil {
		return os.Environ()
	}
	return slices.Clone(original)
}

// Getenv looks into the environment that the caller gave.
func Getenv(name string) string {
	for _, v := range Original() {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// Again adds a variable to Original: a word to this program when it is run once more.
func Again(name, value string) {
	env := append(Original(), name+"="+value)
	mu.Lock()
	defer mu.Unlock()
	original = env
}

// Outgoing is the environment of programs that fetch something from elsewhere:
// this one, with the caller's proxies.
func Outgoing() []string { return append(os.Environ(), proxies()...) }

// Shell is the environment of a person's own programs on a testbed: with their
// proxies, but for the addresses given, which are reached directly.
func Shell(direct ...string) []string {
	env := append(os.Environ(), given(namesOf(true))...)
	set := proxies()
	if len(set) == 0 {
		return env
	}
	own := []string{"localhost", "127.0.0.1", "::1"}
	for _, v := range set {
		if name, value, _ := strings.Cut(v, "="); strings.EqualFold(name, "NO_PROXY") && value != "" {
			own = append(own, value)
		}
	}
	list := strings.Join(append(own, direct...), ",")
	for _, v := range set {
		if name, _, _ := strings.Cut(v, "="); !strings.EqualFold(name, "NO_PROXY") {
			env = append(env, v)
		}
	}
	return append(env, "NO_PROXY="+list, "no_proxy="+list)
}

// Restore gives the process the caller's proxies back, for what it does on a
// cluster that is not ours.
func Restore() error {
	for _, v := range proxies() {
		name, value, _ := strings.Cut(v, "=")
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

// proxies are the caller's settings of proxies, as NAME=value.
func proxies() []string { return given(ProxyVariables) }

// given are those of some variables that the caller has set, as NAME=value.
func given(names []string) (set []string) {
	for _, v := range Original() {
		if name, _, _ := strings.Cut(v, "="); slices.Contains(names, name) {
			set = append(set, v)
		}
	}
	return set
}
