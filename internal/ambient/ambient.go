// Package ambient keeps what surrounds the process from deciding about our own
// machines: proxies, umask, search path, a folder for temporary files that is
// not there. Settle puts it right once, when the program starts.
//
// What goes out (Debian's packages) does honour proxies: it runs with Outgoing.
// What belongs to the person who called (a shell, this program once more) gets
// their environment back, with Shell or Original.
package ambient

import (
	"os"
	"os/user"
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
	for _, v := range ProxyVariables {
		if err := os.Unsetenv(v); err != nil {
			return err
		}
	}
	if err := os.Setenv("PATH", withSystemPath(os.Getenv("PATH"))); err != nil {
		return err
	}
	if dir := os.Getenv("TMPDIR"); dir != "" && !writable(dir) {
		if err := os.Unsetenv("TMPDIR"); err != nil {
			return err
		}
	}
	if os.Getenv("HOME") == "" {
		if u, err := user.Current(); err == nil && u.HomeDir != "" {
			return os.Setenv("HOME", u.HomeDir)
		}
	}
	return nil
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

func writable(dir string) bool {
	st, err := os.Stat(dir)
	return err == nil && st.IsDir() && unix.Access(dir, unix.W_OK|unix.X_OK) == nil
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

// Outgoing is the environment of programs that fetch something from elsewhere:
// this one, with the caller's proxies.
func Outgoing() []string { return append(os.Environ(), proxies()...) }

// Shell is the environment of a person's own programs on a testbed: with their
// proxies, but for the addresses given, which are reached directly.
func Shell(direct ...string) []string {
	env := os.Environ()
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
func proxies() (set []string) {
	for _, v := range Original() {
		if name, _, _ := strings.Cut(v, "="); slices.Contains(ProxyVariables, name) {
			set = append(set, v)
		}
	}
	return set
}
