// Package e2e runs Noriter as a person would: the built command, real
// machines, real kubectl. Every testbed is isolated, which puts it into a
// network namespace of its own that is removed at the end.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// repo is the top of the tree.
func repo(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// needMachines skips a test where machines can't be made, and says why; in CI
// that is a failure.
func needMachines(t testing.TB) {
	t.Helper()
	why := ""
	switch {
	case os.Getenv("NORI_E2E") == "":
		why = "set NORI_E2E=1 (make test does) to run on real machines"
	case os.Geteuid() != 0:
		why = "container machines need root"
	}
	if why == "" {
		return
	}
	if os.Getenv("CI") != "" && os.Getenv("NORI_E2E") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// bed is one testbed under test.
type bed struct {
	t    testing.TB
	name string
	home string
	args []string
}

// newBed declares a testbed that is removed at the end, with a home of its own
// and the images that this host has cached.
func newBed(t testing.TB, name string, upArgs ...string) *bed {
	t.Helper()
	needMachines(t)
	b := &bed{t: t, name: name, home: t.TempDir(), args: upArgs}
	t.Cleanup(func() {
		if t.Failed() {
			b.report()
		}
		if out, err := b.try(3*time.Minute, "down"); err != nil {
			t.Errorf("nori down: %v\n%s", err, out) // what is left would harm the tests that follow
		}
	})
	return b
}

// report says what a failed run left behind, before it is removed.
func (b *bed) report() {
	for _, args := range [][]string{
		{"status"},
		{"kubectl", "get", "nodes,pods,services,endpointslices", "-A", "-o", "wide"},
		{"kubectl", "get", "events", "-A", "--sort-by=.lastTimestamp"},
		{"ssh", "control", "--", "journalctl -n 40 --no-pager -o cat -p warning; for u in agent apiserver controllers scheduler; do journalctl -u nori-$u -n 15 --no-pager -o cat; done"},
		{"ssh", "node1", "--", "journalctl -u nori-agent -n 60 --no-pager -o cat"},
	} {
		out, _ := b.try(20*time.Second, args...)
		b.t.Logf("nori %s\n%s", strings.Join(args, " "), out)
	}
}

func (b *bed) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, filepath.Join(repo(b.t), "bin", "nori"), append([]string{"--name", b.name}, args...)...)
	// As root who is really root, also where sudo runs the tests.
	// On the PATH, it calls itself nori.
	c.Env = append(os.Environ(), "PATH="+filepath.Dir(c.Path)+":"+os.Getenv("PATH"), "SUDO_USER=", "SUDO_UID=", "SUDO_GID=", "NORI_HOME="+b.home, "NORI_CACHE="+cache(), "LANG=C.UTF-8", "NORI_TESTBED=", "KUBECONFIG=")
	c.WaitDelay = 5 * time.Second
	return c
}

func cache() string {
	if d := os.Getenv("NORI_CACHE"); d != "" {
		return d
	}
	return "/var/lib/noriter/cache"
}

// try runs nori and gives what it printed on both streams.
func (b *bed) try(limit time.Duration, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	c := b.command(ctx, args...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("not done after %v", limit)
	}
	return out.String(), err
}

// nori runs nori, which must succeed.
func (b *bed) nori(args ...string) string {
	b.t.Helper()
	out, err := b.try(5*time.Minute, args...)
	if err != nil {
		b.t.Fatalf("nori %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// kubectl runs kubectl, which must succeed.
func (b *bed) kubectl(args ...string) string {
	b.t.Helper()
	return strings.TrimSpace(b.nori(append([]string{"kubectl"}, args...)...))
}

// ssh runs a command on a machine, which must succeed.
func (b *bed) ssh(node, line string) string {
	b.t.Helper()
	return strings.TrimSpace(b.nori("ssh", node, "--", line))
}

// up brings the testbed up.
func (b *bed) up() string {
	b.t.Helper()
	// Emulated machines take two minutes alone, and more beside other work.
	out, err := b.try(15*time.Minute, append([]string{"--plain", "up", "--isolated"}, b.args...)...)
	if err != nil {
		b.t.Fatalf("nori up: %v\n%s", err, out)
	}
	return out
}

// apply applies a manifest.
func (b *bed) apply(manifest string) {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "manifest.yaml")
	if err := os.WriteFile(path, []byte(manifest), 0o644); err != nil {
		b.t.Fatal(err)
	}
	b.kubectl("apply", "-f", path)
}

// eventually asks until the answer is no error, or the limit is over.
func (b *bed) eventually(limit time.Duration, what string, ask func() error) {
	b.t.Helper()
	var last error
	for begin := time.Now(); time.Since(begin) < limit; time.Sleep(200 * time.Millisecond) {
		if last = ask(); last == nil {
			return
		}
	}
	b.t.Fatalf("%s: not within %v: %v", what, limit, last)
}

// want is eventually for one kubectl command whose output must be as given.
func (b *bed) want(limit time.Duration, output string, args ...string) {
	b.t.Helper()
	b.eventually(limit, "kubectl "+strings.Join(args, " "), func() error {
		got, err := b.try(20*time.Second, append([]string{"kubectl"}, args...)...)
		if err != nil {
			return fmt.Errorf("%w: %s", err, got)
		}
		if strings.TrimSpace(got) != output {
			return fmt.Errorf("got %q, want %q", strings.TrimSpace(got), output)
		}
		return nil
	})
}

type status struct {
	Ready    bool   `json:"ready"`
	API      string `json:"api"`
	Machines []struct {
		Name, Address, State, SSH, Node string
		Units                           map[string]string
		Pods                            int
	}
}

// status is `nori status -o json`.
func (b *bed) status() (status, error) {
	var s status
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, err := b.command(ctx, "status", "-o", "json").Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return s, err
	}
	if err := json.Unmarshal(out, &s); err != nil {
		return s, fmt.Errorf("%w in %q", err, out)
	}
	return s, nil
}

// ready waits until `nori status` says so, with every component active.
func (b *bed) ready(limit time.Duration) {
	b.t.Helper()
	b.eventually(limit, "the testbed is ready", func() error {
		s, err := b.status()
		if err != nil {
			return err
		}
		if !s.Ready {
			return fmt.Errorf("not ready: %+v", s)
		}
		for _, m := range s.Machines {
			for u, w := range m.Units {
				if w != "active" {
					return fmt.Errorf("%s on %s is %s", u, m.Name, w)
				}
			}
		}
		return nil
	})
}

// exitCode is the code a command ended with.
func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}
