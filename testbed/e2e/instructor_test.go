package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFaults puts every fault in and takes it out, breaks off in the middle, and
// has a reset take one out.
func TestFaults(t *testing.T) {
	b := newBed(t, "faulty", "--driver", "nspawn", "--nodes", "2")
	b.up()
	b.ready(10 * time.Second)
	out := b.nori("--plain", "fault", "verify", "--seed", "3")
	t.Log(out)
	if n := strings.Count(out, "ok   "); n != 12 {
		t.Errorf("%d of 12 faults went in and out:\n%s", n, out)
	}

	// Killed at any moment, it can be taken out.
	for _, after := range []time.Duration{300, 900, 2000} {
		ctx, cancel := contextFor(time.Minute)
		c := b.command(ctx, "--plain", "fault", "inject", "node-off", "--seed", "1")
		var said bytes.Buffer
		c.Stdout, c.Stderr = &said, &said
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after * time.Millisecond)
		_ = c.Process.Kill() // it may have come to its end
		err := c.Wait()
		cancel()
		t.Logf("killed after %v: %v\n%s", after*time.Millisecond, err, said.String())
		t.Log(b.nori("--plain", "fault", "recover"))
		b.ready(30 * time.Second)
	}

	b.nori("--plain", "fault", "inject", "scheduler-stopped")
	if out, err := b.try(time.Minute, "fault", "inject", "dns-down"); exitCode(err) != 1 || !strings.Contains(out, "not steady") {
		t.Errorf("a second fault: %v %s", err, out)
	}
	if out, err := b.try(time.Minute, "snapshot", "save", "bad"); exitCode(err) != 1 || !strings.Contains(out, "fault recover") {
		t.Errorf("a snapshot with a fault in it: %v %s", err, out)
	}
	b.nori("--plain", "reset")
	if out := b.nori("--plain", "fault", "recover", "scheduler-stopped"); strings.Contains(out, "is out") {
		t.Errorf("the reset left the fault written down: %s", out)
	}
	if out, err := b.try(time.Minute, "fault", "inject", "node-of"); exitCode(err) != 2 || !strings.Contains(out, `did you mean "node-off"?`) {
		t.Errorf("a misspelt fault: %v %s", err, out)
	}
}

// TestResetAll breaks two testbeds and puts both back at once, after a reset
// of all that was broken off. What learners have finished stays.
func TestResetAll(t *testing.T) {
	a := newBed(t, "class-a", "--driver", "nspawn", "--nodes", "1")
	second := *a
	second.name = "class-b"
	b := &second
	t.Cleanup(func() { b.try(2*time.Minute, "down") })
	progress := filepath.Join(a.home, "learner", "somebody", "progress.json")
	if err := os.MkdirAll(filepath.Dir(progress), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(progress, []byte("finished"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, bed := range []*bed{a, b} {
		bed.up()
		bed.kubectl("create", "configmap", "mess")
		bed.ssh("node1", "systemctl stop nori-agent")
	}
	all := func() *bytes.Buffer {
		ctx, cancel := contextFor(2 * time.Minute)
		defer cancel()
		c := a.command(ctx, "reset", "--all")
		c.Args = append(c.Args[:1], c.Args[3:]...) // without --name
		var said bytes.Buffer
		c.Stdout, c.Stderr = &said, &said
		if err := c.Run(); err != nil {
			t.Fatalf("reset --all: %v\n%s", err, said.String())
		}
		return &said
	}
	ctx, cancel := contextFor(time.Minute)
	cut := a.command(ctx, "reset", "--all")
	cut.Args = append(cut.Args[:1], cut.Args[3:]...)
	if err := cut.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(700 * time.Millisecond)
	_ = cut.Process.Signal(os.Interrupt) // it may have come to its end
	t.Logf("broken off: %v", cut.Wait())
	cancel()

	begin := time.Now()
	said := all().String()
	t.Logf("both in %v\n%s", time.Since(begin), said)
	for _, bed := range []*bed{a, b} {
		bed.ready(10 * time.Second)
		if out, err := bed.try(10*time.Second, "kubectl", "get", "configmap", "mess"); err == nil {
			t.Errorf("%s still has %s", bed.name, out)
		}
		if !strings.Contains(said, bed.name+": ") {
			t.Errorf("nothing was said of %s:\n%s", bed.name, said)
		}
	}
	if got, err := os.ReadFile(progress); err != nil || string(got) != "finished" {
		t.Errorf("the learner's progress is %q, %v", got, err)
	}
	if out, err := a.try(time.Minute, "reset", "--all"); exitCode(err) != 2 {
		t.Errorf("--all and --name: %v %s", err, out)
	}
}
