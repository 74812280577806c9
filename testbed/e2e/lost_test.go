package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// lostBed is a testbed that comes to lose what it knows of itself.
type lostBed struct {
	*bed
	dir string
}

func (b *lostBed) state() string { return filepath.Join(b.dir, "state.json") }

// copy is where the state is kept a second time.
func (b *lostBed) copy() string { return filepath.Join(b.dir, "state.copy.json") }

// says runs a command and wants its exit code, and words of what it prints.
func (b *lostBed) says(code int, words []string, args ...string) {
	b.t.Helper()
	b.saysIn(b.home, code, words, args...)
}

// saysIn is says in another home.
func (b *lostBed) saysIn(home string, code int, words []string, args ...string) {
	b.t.Helper()
	ctx, cancel := contextFor(3 * time.Minute)
	defer cancel()
	c := b.command(ctx, args...)
	c.Env = append(c.Env, "NORI_HOME="+home)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if got := exitCode(c.Run()); got != code {
		b.t.Fatalf("nori %s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, out.String())
	}
	for _, w := range words {
		if !strings.Contains(out.String(), w) {
			b.t.Errorf("nori %s does not say %q:\n%s", strings.Join(args, " "), w, out.String())
		}
	}
}

// TestLost takes a running testbed its state and its folder away. From each of these
// states one command leads on, and at the end nothing is left on the host.
func TestLost(t *testing.T) {
	b := &lostBed{bed: newBed(t, "lost", "--driver", "nspawn", "--nodes", "1", "--node-disk", "2")}
	b.dir = filepath.Join(b.home, "testbeds", b.name)
	before := hostState(t, b.bed)
	b.up()
	b.ownDisk()
	b.brokenStates()
	b.stateLost()
	b.otherHome()
	b.folderLost()
	b.openElsewhere()
	b.allLost()
	compareHost(t, before, hostState(t, b.bed))
}

// ownDisk sees that a machine's disk has the size that was asked for, and who a full
// one is told of.
func (b *lostBed) ownDisk() {
	if size := b.ssh("node1", "df -BM --output=size / | tail -1"); len(size) != len("1900M") || size[0] != '1' {
		b.t.Errorf("the disk of node1 has %s, of 2 GiB without what ext4 takes", size)
	}
	_, _ = b.try(2*time.Minute, "ssh", "node1", "--", "head -c 4G /dev/zero > /root/fill")
	b.says(1, []string{"the disk of node1 is full"}, "status")
	b.ssh("node1", "rm /root/fill")
	b.eventually(time.Minute, "the node has room again", func() error {
		_, err := b.try(time.Minute, "status")
		return err
	})
}

// brokenStates spoils the state and puts it back: nothing but a message comes of it.
func (b *lostBed) brokenStates() {
	whole, err := os.ReadFile(b.state())
	if err != nil {
		b.t.Fatal(err)
	}
	put := func(content []byte) {
		for _, path := range []string{b.state(), b.copy()} {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	for word, content := range map[string][]byte{
		"is empty":            nil,
		"state.json: ":        whole[:len(whole)/2],
		"of a testbed called": bytes.ReplaceAll(whole, []byte(`"lost"`), []byte(`"found"`)),
		"was written by nori": bytes.Replace(whole, []byte(`"version": 2`), []byte(`"version": 3`), 1),
	} {
		put(content)
		code := 1
		if word == "was written by nori" {
			code = 2 // another nori is the right one
		}
		for _, args := range [][]string{{"status"}, {"up"}, {"ssh", "control"}} {
			b.says(code, []string{word, "`nori down"}, args...)
		}
	}
	put(whole)
	if s, err := b.status(); err != nil || !s.Ready {
		b.t.Fatalf("what only a state was wrong with is not ready: %+v, %v", s, err)
	}
}

// stateLost removes the state and nothing else: its copy takes its place, so that the
// testbed with all that is in it stays.
func (b *lostBed) stateLost() {
	b.kubectl("create", "configmap", "kept")
	if err := os.Remove(b.state()); err != nil {
		b.t.Fatal(err)
	}
	if s, err := b.status(); err != nil || !s.Ready {
		b.t.Fatalf("without its state, and with the copy: %+v, %v", s, err)
	}
	b.up()
	if _, err := os.Stat(b.state()); err != nil {
		b.t.Errorf("up did not write the state again: %v", err)
	}
	b.kubectl("get", "configmap", "kept")
}

// otherHome has a testbed of the same name asked for in another home: it is in the way
// there, and nothing is done to it.
func (b *lostBed) otherHome() {
	other := b.t.TempDir()
	whose := []string{b.home, "NORI_HOME='" + b.home + "' nori down --name lost"}
	b.saysIn(other, 0, append(whose, "there is no testbed lost"), "down")
	b.saysIn(other, 1, whose, "status")
	b.saysIn(other, 3, whose, "up", "--driver", "nspawn", "--isolated")
	if left := glob(other+"/testbeds/*", other+"/locks/*"); len(left) > 0 {
		b.t.Errorf("what was refused left %v", left)
	}
	if s, err := b.status(); err != nil || !s.Ready {
		b.t.Fatalf("another home's commands were its end: %+v, %v", s, err)
	}
}

// folderLost removes the folder of a running testbed: what is left is found, and up
// clears it away and goes on.
func (b *lostBed) folderLost() {
	_ = exec.Command("rm", "-rf", b.dir).Run() // it can't remove what is mounted
	b.says(1, []string{"processes of its machines", "mounted disks (control, node1)", "`nori down` removes it"}, "status")
	if out := b.up(); !strings.Contains(out, "removed what was left of an earlier testbed lost") {
		b.t.Errorf("up does not say that it removed something:\n%s", out)
	}
}

// openElsewhere removes a testbed whose state is damaged while somebody has it open:
// down says who. Nobody can be asked here, and so it goes on.
func (b *lostBed) openElsewhere() {
	ctx, cancel := contextFor(time.Minute)
	defer cancel()
	shell := b.command(ctx, "ssh", "node1", "--", "sleep 600")
	if err := shell.Start(); err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = shell.Process.Kill(); _ = shell.Wait() }()
	b.eventually(20*time.Second, "the visit is noted", func() error {
		_, err := os.Stat(filepath.Join(b.dir, "visitors", strconv.Itoa(shell.Process.Pid)))
		return err
	})
	for _, path := range []string{b.state(), b.copy()} {
		if err := os.Truncate(path, 20); err != nil {
			b.t.Fatal(err)
		}
	}
	b.says(0, []string{"testbed lost is open: `nori --name lost ssh node1 -- sleep 600`", "removed what was left of testbed lost",
		"mounted disks (control, node1)", "its network namespace"}, "down")
	b.says(0, []string{"there is no testbed lost"}, "down")
}

// allLost removes what a person may be left with: a folder without a state, a lock.
func (b *lostBed) allLost() {
	if err := os.MkdirAll(filepath.Join(b.dir, "nspawn", "machines", "node1"), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.dir, "nspawn", "machines", "node1", "machine.json"), []byte("{}"), 0o600); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.home, "locks", "another"), []byte("nori up, process 1"), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.says(1, []string{"something is left", b.dir, "`nori down` removes it"}, "up") // a person may want what is in it
	ctx, cancel := contextFor(time.Minute)
	defer cancel()
	all := b.command(ctx, "down", "--all")
	all.Args = append(all.Args[:1], "down", "--all") // of no name
	out, err := all.CombinedOutput()
	if exitCode(err) != 2 || !strings.Contains(string(out), "another, lost: add --yes") {
		b.t.Errorf("down --all where nobody can be asked: %v\n%s", err, out)
	}
	all = b.command(ctx)
	all.Args = append(all.Args[:1], "down", "--all", "--yes")
	out, err = all.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "all 2 are gone") || !strings.Contains(string(out), "progress") {
		b.t.Errorf("down --all: %v\n%s", err, out)
	}
}
