package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"noriter.dev/noriter/cheatsheets"
	"noriter.dev/noriter/testbed"
)

// TestCheatsheets types every command of every cheatsheet, as a reader would
// in `nori shell`, and holds what it prints against what the page shows.
func TestCheatsheets(t *testing.T) {
	pages, err := cheatsheets.LoadAll(os.DirFS(filepath.Join(repo(t), "cheatsheets")), "en")
	if err != nil {
		t.Fatal(err)
	}
	b := newBed(t, "cheatsheets", "--driver", "nspawn")
	b.up()
	env := b.shellEnv()
	left := b.leftovers()
	for _, page := range pages {
		t.Run(page.Topic, func(t *testing.T) {
			sub := *b
			sub.t = t
			r := &reader{b: &sub, dir: t.TempDir(), vars: filepath.Join(t.TempDir(), "vars"), env: env}
			r.read(page)
			r.stop()
			if t.Failed() {
				sub.try(time.Minute, "kubectl", "delete", "all,ingress,secret,configmap", "--all", "--grace-period=1")
				return
			}
			sub.eventually(time.Minute, "the page leaves nothing behind", func() error {
				if now := sub.leftovers(); now != left {
					return fmt.Errorf("there is\n%s\nand was\n%s", now, left)
				}
				return nil
			})
		})
	}
}

// shellEnv is the environment of `nori shell`.
func (b *bed) shellEnv() []string {
	b.t.Helper()
	ctx, cancel := contextFor(30 * time.Second)
	defer cancel()
	c := b.command(ctx, "shell")
	c.Stdin = strings.NewReader("env\n")
	out, err := c.Output()
	if err != nil {
		b.t.Fatalf("nori shell: %v\n%s", err, out)
	}
	bin := filepath.Join(repo(b.t), "bin")
	var env []string
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch {
		case name == "PATH":
			env = append(env, "PATH="+value+":"+bin)
		case name == "KUBECONFIG" || strings.HasPrefix(name, "NORI_"):
			env = append(env, name+"="+value)
		}
	}
	return append(env, "TERM=dumb")
}

// leftovers is what a page could leave behind.
func (b *bed) leftovers() string {
	b.t.Helper()
	return b.kubectl("get", "all,ingresses,secrets,configmaps", "-o", "name") + "\n" +
		b.kubectl("get", "namespaces,persistentvolumes,ingressclasses", "-o", "name") + "\n" +
		b.kubectl("get", "nodes", "--no-headers", "-o", "custom-columns=N:.metadata.name,L:.metadata.labels,T:.spec.taints,U:.spec.unschedulable")
}

// reader types the commands of one page.
type reader struct {
	b          *bed
	dir, vars  string
	env        []string
	background []*exec.Cmd
}

// commandLimit is how long a command may take to print what the page shows.
const commandLimit = 40 * time.Second

func (r *reader) read(page *cheatsheets.Page) {
	for _, block := range page.Commands() {
		if block.File != "" {
			if err := os.WriteFile(filepath.Join(r.dir, block.File), []byte(block.Content), 0o644); err != nil {
				r.b.t.Fatal(err)
			}
			continue
		}
		for _, c := range block.Commands {
			begin := time.Now()
			out, err := r.until(c)
			if err != nil {
				r.b.t.Errorf("%s: $ %s\n%v; it printed:\n%s", c.At, c.Line, err, out)
			}
			if took := time.Since(begin); took > 5*time.Second {
				r.b.t.Logf("%s: $ %s took %v", c.At, c.Line, took.Round(100*time.Millisecond))
			}
		}
	}
}

// until runs a command until it prints what the page shows; one that changes
// something only once.
func (r *reader) until(c cheatsheets.Command) (out string, err error) {
	for end := time.Now().Add(commandLimit); ; time.Sleep(300 * time.Millisecond) {
		out, err = r.once(c)
		if err == nil || !c.Reads() || c.Interrupted() || time.Now().After(end) {
			return out, err
		}
	}
}

func (r *reader) once(c cheatsheets.Command) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	cmd := r.command(ctx, c.Line)
	if len(c.Typed()) > 0 {
		out, err := typeInto(cmd, c.Typed())
		return out, r.verdict(c, out, err)
	}
	var out output
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return "", err
	}
	if !c.Interrupted() && !c.Background() {
		err := cmd.Wait()
		return out.String(), r.verdict(c, out.String(), err)
	}
	matches := r.matches(c, out.String())
	for ; matches != nil && ctx.Err() == nil; matches = r.matches(c, out.String()) {
		time.Sleep(100 * time.Millisecond)
	}
	if c.Background() {
		r.background = append(r.background, cmd)
		return out.String(), matches
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) // what has ended by itself is seen by Wait
	_ = cmd.Wait()                                     // interrupted, as it should be
	return out.String(), matches
}

// verdict holds a command that has ended against its page.
func (r *reader) verdict(c cheatsheets.Command, out string, err error) error {
	if failed := err != nil; failed != c.Fails {
		return fmt.Errorf("it ended with %v, and should fail: %v", err, c.Fails)
	}
	return r.matches(c, out)
}

// matches compares as if the testbed had the name that most have.
func (r *reader) matches(c cheatsheets.Command, out string) error {
	return c.Matches(strings.ReplaceAll(out, r.b.name, testbed.DefaultName))
}

var assigned = regexp.MustCompile(`(?m)^([a-z]+)=`)

// command prepares a line for bash, inside the testbed's namespace. Variables
// that the page has set are there, as in the one shell of a person.
func (r *reader) command(ctx context.Context, line string) *exec.Cmd {
	background := strings.HasSuffix(line, "&")
	line = strings.TrimSuffix(line, "&")
	if background {
		line = "exec " + line // the process that is stopped at the end
	}
	script := fmt.Sprintf("[ -e %[1]q ] && . %[1]q\n%[2]s\nstatus=$?\n", r.vars, line)
	for _, m := range assigned.FindAllStringSubmatch(line, -1) {
		script += fmt.Sprintf("declare -p %s >> %q\n", m[1], r.vars)
	}
	script += "exit $status\n"
	if background {
		ctx = context.Background() // it is stopped when the page is over
	}
	c := exec.CommandContext(ctx, "nsenter", "--net=/run/netns/nori-"+r.b.name, "bash", "-c", script)
	c.Dir, c.Env = r.dir, append(os.Environ(), r.env...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = 5 * time.Second
	return c
}

// stop ends what runs in the background, as a shell does with its jobs.
func (r *reader) stop() {
	for _, c := range r.background {
		late := time.AfterFunc(commandLimit, func() {
			r.b.t.Errorf("SIGTERM does not end %v", c.Args)
			_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // it may have ended just now
		})
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGTERM) // one that has ended is no matter
		_ = c.Wait()                                      // it was stopped
		late.Stop()
	}
}

var (
	escape = regexp.MustCompile(`\x1b\[[0-9;?]*[a-zA-Z]`)
	asks   = regexp.MustCompile(`[#$] ?$`)
)

// typeInto runs a command on a terminal and answers each prompt with the next
// line.
func typeInto(cmd *exec.Cmd, lines []string) (string, error) {
	cmd.SysProcAttr = nil // the terminal gives it a session of its own
	tty, err := pty.Start(cmd)
	if err != nil {
		return "", err
	}
	defer tty.Close()
	var out output
	over := make(chan struct{})
	go func() {
		defer close(over)
		buf := make([]byte, 4096)
		for {
			n, err := tty.Read(buf)
			out.Write(buf[:n])
			if err != nil {
				return // the terminal is closed when its last process has ended
			}
		}
	}()
	text := func() string { return strings.ReplaceAll(escape.ReplaceAllString(out.String(), ""), "\r", "") }
	seen := 0
	for _, line := range lines {
		for end := time.Now().Add(20 * time.Second); len(text()) <= seen || !asks.MatchString(text()); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				_ = cmd.Process.Kill() // it is given up
				_ = cmd.Wait()         // likewise
				return text(), fmt.Errorf("no prompt came for %q", line)
			}
		}
		if _, err := tty.WriteString(line + "\n"); err != nil {
			return text(), err
		}
		seen = len(text()) + len(line) + 1 // its echo is no prompt
	}
	err = cmd.Wait()
	<-over
	return text(), err
}

// output collects what several writers print.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
