package histories

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What the environment says of a run.
const (
	// timeEnv is for how long fresh histories are begun, such as 2h.
	timeEnv = "NORI_HISTORIES"
	// historyEnv is one history, as text, instead.
	historyEnv = "NORI_HISTORY"
	// seedEnv is the first seed; those that follow are the next numbers.
	seedEnv = "NORI_HISTORIES_SEED"
	// driverEnv is the driver of the machines.
	driverEnv = "NORI_HISTORIES_DRIVER"
	// binEnv is the folder of nori, and dirEnv that in which all is made.
	binEnv, dirEnv = "NORI_HISTORIES_BIN", "NORI_HISTORIES_DIR"
	// notesEnv is a file to which is added what was lived, and livedEnv one to which each
	// history is added that was lived whole.
	notesEnv, livedEnv = "NORI_HISTORIES_NOTES", "NORI_HISTORIES_LIVED"
	// insideEnv says that this process is in namespaces of its own.
	insideEnv = "NORI_HISTORIES_INSIDE"
)

// TestMain lives the histories where this process has namespaces of its own.
func TestMain(m *testing.M) {
	if os.Getenv(insideEnv) == "" {
		os.Exit(m.Run())
	}
	if err := inside(); err != nil {
		fmt.Println("histories:", err)
		os.Exit(1)
	}
}

// TestHistories lives histories: for a minute some that were lived whole before, which
// the commit chooses, so that a run can be repeated; or fresh ones for as long as
// NORI_HISTORIES says.
func TestHistories(t *testing.T) {
	if os.Getenv("NORI_E2E") == "" && os.Getenv(timeEnv) == "" && os.Getenv(historyEnv) == "" {
		t.Skip("set NORI_E2E=1 (make test does) to live histories on real machines")
	}
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("container machines need root")
		}
		t.Skip("container machines need root")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self)
	c.Env = append(os.Environ(), insideEnv+"=1")
	c.Stdout, c.Stderr = os.Stdout, os.Stdout
	// All mounts are made private, so that none comes to the host.
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGTERM}
	if err := c.Run(); err != nil {
		t.Fatalf("a promise was broken: see above; %v", err)
	}
}

// inside lives histories in this process's namespaces.
func inside() error {
	p, err := planned()
	if err != nil {
		return err
	}
	w, clean, err := newWorld()
	if err != nil {
		return err
	}
	defer clean()
	if err := w.warm(); err != nil {
		return err
	}
	t := &tally{byName: map[string]int{}}
	begin := time.Now()
	defer func() { t.end(w, time.Since(begin)) }()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	t.brief = p.budget < 10*time.Minute
	for i := uint64(0); time.Since(begin) < p.budget; i++ {
		d, ok := p.nth(i)
		if !ok {
			break
		}
		w.say("%s: %s", d.from, d.history)
		from := time.Now()
		done, err := w.live(d.history)
		if err := t.lived(w, d, time.Since(from), done, err); err != nil {
			return err
		}
		select {
		case <-stop:
			return fmt.Errorf("stopped")
		default:
		}
	}
	if len(t.found) > 0 {
		return fmt.Errorf("%d promises broken", len(t.found))
	}
	return nil
}

// leaveOthers takes mounts of others' testbeds, and of namespaces, out of this mount
// namespace, which has got a copy of each: they would go when the others remove theirs.
func leaveOthers() error {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	slices.Reverse(lines)
	for _, l := range lines {
		before, after, _ := strings.Cut(l, " - ")
		at, kind := strings.Fields(before)[4], strings.Fields(after)[0]
		if kind == "nsfs" || kind == "overlay" || strings.HasPrefix(at, "/tmp/") || strings.HasPrefix(at, "/var/tmp/") || strings.HasPrefix(at, "/run/") {
			_ = unix.Unmount(at, unix.MNT_DETACH) // one of the host's own that stays does no harm
		}
	}
	return nil
}

func driver() string {
	if d := os.Getenv(driverEnv); d != "" {
		return d
	}
	return "nspawn"
}

// newWorld makes the folders, and a host's network in miniature.
func newWorld() (*world, func(), error) {
	w := &world{bin: os.Getenv(binEnv), cash: "/var/lib/noriter/cache", dir: os.Getenv(dirEnv)}
	w.say = func(format string, args ...any) {
		fmt.Printf(time.Now().Format("15:04:05 ")+format+"\n", args...)
	}
	if c := os.Getenv("NORI_CACHE"); c != "" {
		w.cash = c
	}
	w.common = w.cash
	var err error
	if w.bin == "" {
		if w.bin, err = filepath.Abs("../../bin"); err != nil {
			return nil, nil, err
		}
	}
	clean := func() {}
	if w.dir == "" {
		if w.dir, err = os.MkdirTemp("", "noriter-histories-"); err != nil {
			return nil, nil, err
		}
		clean = func() {
			_, _ = run("umount", w.home) // it may have no disk of its own
			_ = os.RemoveAll(w.dir)      // what is left is in the system's temporary folder
		}
	}
	w.home = filepath.Join(w.dir, "home")
	for _, dir := range []string{w.home, "/run/netns", "/run/systemd/nspawn"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, nil, err
		}
	}
	if err := leaveOthers(); err != nil {
		return nil, nil, err
	}
	for _, args := range [][]string{
		{"mount", "-t", "tmpfs", "none", "/run/netns"}, {"mount", "-t", "tmpfs", "none", "/run/systemd/nspawn"},
		{"ip", "link", "set", "lo", "up"}, {"ip", "link", "add", "uplink", "type", "bridge"},
		{"ip", "address", "add", "192.0.2.2/24", "dev", "uplink"}, {"ip", "link", "set", "uplink", "up"},
		{"ip", "route", "add", "default", "via", "192.0.2.1"},
	} {
		if _, err := run(args...); err != nil {
			return nil, nil, err
		}
	}
	return w, func() { w.endBeside(); clean() }, nil
}
