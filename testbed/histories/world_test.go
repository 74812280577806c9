package histories

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"noriter.dev/noriter/provision/netns"
)

// name is the testbed's, and other that of the one beside it.
const name, other = "hist", "beside"

// world is a testbed and its surroundings while a history goes on.
type world struct {
	bed  bed
	bin  string // the folder of nori
	dir  string // all of this world's own
	home string
	cash string // the cache: the common one, or the testbed's own
	// common is the cache that all histories may use, and none may damage.
	common string
	say    func(format string, args ...any)
	// keys are of the last time that `nori up` came to its end: what looks at the
	// testbed must not depend on files that a history damages.
	keys keys
	// before is the host before anything was done.
	before hostSight
	// full says that the disk was filled.
	full bool
	// inTheWay says that a history put something in the way, which no command may
	// remove; undo takes such things away.
	inTheWay bool
	undo     []func()
	pods     int
}

// result is a command of nori that has ended.
type result struct {
	args []string
	out  string
	code int // -1 where it was killed
	took time.Duration
	hung bool
}

func (r result) String() string {
	if slices.Contains(r.args, "json") { // it is asked after each action
		return fmt.Sprintf("nori %s: exit %d after %.1f s: %s", strings.Join(r.args, " "), r.code, r.took.Seconds(), strings.Join(strings.Fields(r.out), " "))
	}
	return fmt.Sprintf("nori %s: exit %d after %.1f s\n%s", strings.Join(r.args, " "), r.code, r.took.Seconds(), indent(r.out))
}

func indent(s string) string {
	return "    | " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n    | ")
}

// command is nori with its environment.
func (w *world) command(args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(w.bin, "nori"), append([]string{"--name", name, "--plain"}, args...)...)
	// On the PATH, it calls itself nori.
	c.Env = append(os.Environ(), "PATH="+w.bin+":"+os.Getenv("PATH"), "NORI_HOME="+w.home, "NORI_CACHE="+w.cash, "LANG=C.UTF-8", "NORI_TESTBED=", "KUBECONFIG=", "HOME="+w.dir)
	return c
}

// nori runs a command to its end, or to its limit: then it has to say where all of its
// goroutines are.
func (w *world) nori(limit time.Duration, args ...string) result {
	r := w.start(args...)
	return r.end(limit)
}

// running is a command of nori that has been started.
type running struct {
	w     *world
	cmd   *exec.Cmd
	out   bytes.Buffer
	begun time.Time
	args  []string
	done  chan error
}

func (w *world) start(args ...string) *running {
	r := &running{w: w, cmd: w.command(args...), begun: time.Now(), args: args, done: make(chan error, 1)}
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.out
	r.cmd.WaitDelay = 5 * time.Second // what it left running may keep its output open
	go func() { r.done <- r.cmd.Run() }()
	return r
}

func (r *running) end(limit time.Duration) result {
	hung := false
	var err error
	select {
	case err = <-r.done:
	case <-time.After(limit):
		hung = true
		_ = r.cmd.Process.Signal(syscall.SIGQUIT)
		select {
		case err = <-r.done:
		case <-time.After(10 * time.Second):
			_ = r.cmd.Process.Kill()
			err = <-r.done
		}
	}
	out := result{args: r.args, out: r.out.String(), took: time.Since(r.begun), hung: hung}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		out.code = exit.ExitCode()
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		out.code, out.out = -1, out.out+"\n"+err.Error()
	}
	r.w.say("  %s", out)
	return out
}

// after signals the command after a time, and gives how it ended.
func (r *running) after(d time.Duration, sig syscall.Signal, limit time.Duration) result {
	select {
	case err := <-r.done:
		r.done <- err
	case <-time.After(d):
		_ = r.cmd.Process.Signal(sig) // it may have ended by itself
	}
	return r.end(limit)
}

func (w *world) folder() string { return filepath.Join(w.home, "testbeds", name) }
func (w *world) file(elem ...string) string {
	return filepath.Join(append([]string{w.folder()}, elem...)...)
}

// stateFiles are the state and its copy.
var stateFiles = []string{"state.json", "state.copy.json"}

// exists says whether the testbed is declared.
func (w *world) exists() bool {
	return slices.ContainsFunc(stateFiles, func(file string) bool {
		_, err := os.Stat(w.file(file))
		return err == nil
	})
}

// state is what the history has to know of state.json.
type state struct {
	Spec struct {
		Nodes int `json:"nodes"`
	} `json:"spec"`
	Created   time.Time
	Subnet    string
	ImageID   string   `json:"imageID"`
	Workers   []string `json:"workers"`
	Resetting string   `json:"resetting"`
}

func (w *world) state() (s state, ok bool) {
	for _, file := range stateFiles {
		s = state{}
		if b, err := os.ReadFile(w.file(file)); err == nil && json.Unmarshal(b, &s) == nil {
			return s, true
		}
	}
	return s, false
}

// machines are the machines that the testbed should have, as far as can be known.
func (w *world) machines() []string {
	s, ok := w.state()
	if !ok {
		return nil
	}
	all := []string{"control"}
	if len(s.Workers) > 0 {
		return append(all, s.Workers...)
	}
	for i := range max(s.Spec.Nodes, 0) {
		all = append(all, fmt.Sprintf("node%d", i+1))
	}
	return all
}

// tag is how the driver of container machines tells its things from others'.
func (w *world) tag(of string) string {
	sum := sha256.Sum256([]byte(w.folder() + "\x00" + of))
	return hex.EncodeToString(sum[:])[:5]
}

// groups are the testbed's cgroups, in all trees.
func (w *world) groups() []string {
	trees, _ := filepath.Glob("/sys/fs/cgroup/*/noriter/" + name + "-" + w.tag(""))
	v2, _ := filepath.Glob("/sys/fs/cgroup/noriter/" + name + "-" + w.tag(""))
	return append(trees, v2...)
}

// inGroups lists the processes of the testbed's cgroups below a machine's name, or of all.
func (w *world) inGroups(machine string) []int {
	var pids []int
	for _, g := range w.groups() {
		_ = filepath.WalkDir(filepath.Join(g, machine), func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Name() == "cgroup.procs" {
				pids = append(pids, numbers(path)...)
			}
			return nil
		})
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}

func numbers(path string) (out []int) {
	b, _ := os.ReadFile(path)
	for _, f := range strings.Fields(string(b)) {
		var n int
		if _, err := fmt.Sscan(f, &n); err == nil && n > 0 {
			out = append(out, n)
		}
	}
	return out
}

// run runs a program of the host, for a history's own ends.
func run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// inNet runs a program in the testbed's network.
func (w *world) inNet(args ...string) (string, error) {
	if netns.Exists(name) {
		args = append([]string{"nsenter", "--net=/run/netns/nori-" + name, "--"}, args...)
	}
	return run(args...)
}

var command = regexp.MustCompile("`((?:nori|mv) [^`]+)`")

// advice is what a text says to type, but for what only looks.
func advice(text string) []string {
	var out []string
	for _, m := range command.FindAllStringSubmatch(text, -1) {
		c := m[1]
		looks := strings.HasPrefix(c, "nori doctor") || strings.HasPrefix(c, "nori status") || strings.HasPrefix(c, "nori report") || strings.HasSuffix(c, "--help") || strings.Contains(c, " list")
		if !looks && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}
