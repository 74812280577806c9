package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"noriter.dev/noriter/internal/turn"
	"noriter.dev/noriter/testbed"
	"noriter.dev/noriter/testbed/fault"
)

// faultsARun is how many faults each run of the tests walks through.
const faultsARun = 6

// TestFaults walks through faults: what is in shows, verify sees that it is not mended,
// recover takes it out, and verify sees that. It breaks off in the middle, and has a reset
// take one out.
func TestFaults(t *testing.T) {
	b := newBed(t, "faulty", "--driver", "nspawn", "--nodes", "2")
	b.up()
	b.ready(10 * time.Second)
	names := turn.Mine("faults", fault.Names(), faultsARun)
	for i, name := range names {
		b.walk(name, strconv.Itoa(i+3))
	}
	if out := b.nori("--plain", "fault", "verify", names[0], names[len(names)-1]); strings.Count(out, "ok   ") != 2 {
		t.Errorf("the round trip of two faults:\n%s", out)
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

// walk puts one fault in and takes it out, looking each time.
func (b *bed) walk(name, seed string) {
	b.t.Helper()
	b.nori("--plain", "fault", "inject", name, "--seed", seed)
	var lines []struct {
		Name, Seen string
		Shows      bool
	}
	if err := json.Unmarshal([]byte(b.nori("fault", "list", "-o", "json")), &lines); err != nil {
		b.t.Fatal(err)
	}
	for _, l := range lines {
		if l.Shows != (l.Name == name) {
			b.t.Errorf("with %s in, %s shows: %v (%s)", name, l.Name, l.Shows, l.Seen)
		}
	}
	if out, _ := b.try(time.Minute, "status", "--faults"); !strings.Contains(out, "fault in: "+name) {
		b.t.Errorf("status --faults does not name %s:\n%s", name, out)
	}
	if out, _ := b.try(time.Minute, "status"); strings.Contains(out, name) {
		b.t.Errorf("status gives %s away:\n%s", name, out)
	}
	if out, err := b.try(time.Minute, "fault", "verify"); exitCode(err) != 1 || !strings.Contains(out, "not mended yet") {
		b.t.Errorf("verify with %s in: %v\n%s", name, err, out)
	}
	b.t.Log(b.nori("--plain", "fault", "recover"))
	if out := b.nori("fault", "verify"); !strings.Contains(out, "no fault is in") {
		b.t.Errorf("verify after %s:\n%s", name, out)
	}
}

// TestSurprise has a surprise of each level: nothing gives it away before it is revealed,
// and the same seed brings the same.
func TestSurprise(t *testing.T) {
	b := newBed(t, "surprised", "--driver", "nspawn", "--nodes", "2")
	b.up()
	b.ready(10 * time.Second)
	read := func() testbed.State {
		data, err := os.ReadFile(filepath.Join(b.home, "testbeds", b.name, "state.json"))
		if err != nil {
			t.Fatal(err)
		}
		var state testbed.State
		if err := json.Unmarshal(data, &state); err != nil {
			t.Fatal(err)
		}
		return state
	}
	silent := func(out string) {
		t.Helper()
		for _, f := range read().Faults {
			if strings.Contains(out, f.Name) {
				t.Errorf("%s is given away:\n%s", f.Name, out)
			}
		}
	}
	for _, level := range turn.Mine("levels of surprises", []string{"1", "2", "3"}, 1) {
		want := 1
		if level == "3" {
			want = 2
		}
		silent(b.nori("--plain", "fault", "inject", "--random", "--level", level, "--seed", "11"))
		first := read()
		if len(first.Faults) != want {
			t.Errorf("level %s has %d faults, want %d", level, len(first.Faults), want)
		}
		for _, args := range [][]string{{"status"}, {"status", "--faults", "-o", "json"}, {"fault", "inject", "--random"}, {"snapshot", "save", "bad"}, {"fault", "hint"}, {"fault", "verify"}} {
			out, _ := b.try(time.Minute, args...)
			silent(out)
		}
		if out, err := b.try(time.Minute, "fault", "inject", "--random"); exitCode(err) != 1 || !strings.Contains(out, "fault recover") {
			t.Errorf("a second surprise: %v %s", err, out)
		}
		b.nori("--plain", "fault", "recover")
		b.nori("--plain", "fault", "inject", "--random", "--level", level, "--seed", "11")
		for i, f := range read().Faults {
			if f.Name != first.Faults[i].Name || f.Node != first.Faults[i].Node || f.Object != first.Faults[i].Object {
				t.Errorf("seed 11 of level %s put in %s of %s, and then %s of %s", level, first.Faults[i].Name, first.Faults[i].Node, f.Name, f.Node)
			}
		}
		if out := b.nori("fault", "reveal"); !strings.Contains(out, first.Faults[0].Name) || !strings.Contains(out, "How it is mended") {
			t.Errorf("reveal: %s", out)
		}
		b.nori("--plain", "fault", "recover")
	}
	b.mendsByHand()
	b.breaksOff()
}

// breaksOff kills a surprise in the middle: it can be ended, and leaves nothing.
func (b *bed) breaksOff() {
	b.t.Helper()
	ctx, cancel := contextFor(time.Minute)
	defer cancel()
	c := b.command(ctx, "--plain", "fault", "inject", "--random", "--level", "1", "--seed", "9")
	if err := c.Start(); err != nil {
		b.t.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	_ = c.Process.Kill() // it may have come to its end
	_ = c.Wait()
	b.nori("--plain", "fault", "recover")
	b.ready(30 * time.Second)
	if out := b.nori("fault", "verify"); !strings.Contains(out, "no fault is in") {
		b.t.Errorf("a surprise that was broken off: %s", out)
	}
}

// mendsByHand mends one fault by hand, in another way than recover does, after a wrong one.
func (b *bed) mendsByHand() {
	b.t.Helper()
	b.nori("--plain", "fault", "inject", "selector-broken", "--seed", "2")
	b.nori("fault", "hint")
	b.kubectl("-n", "fault-shop", "delete", "service", "web")
	if out, err := b.try(time.Minute, "fault", "verify"); exitCode(err) != 1 || !strings.Contains(out, "no mend") {
		b.t.Errorf("a Service that was deleted: %v %s", err, out)
	}
	b.kubectl("-n", "fault-shop", "expose", "deployment", "web", "--port=80", "--target-port=http")
	for range 2 { // a later day sees the same
		if out := b.nori("fault", "verify"); !strings.Contains(out, "90 of 100 points, 1 hints") || !strings.Contains(out, "What was to be learnt") {
			b.t.Errorf("mended by hand: %s", out)
		}
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
