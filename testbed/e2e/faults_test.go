package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"noriter.dev/noriter/provision/machine"
)

// TestInterrupted kills `nori up` at growing distances from its start, by
// Ctrl-C and by SIGKILL in turn, and then lets it come to its end.
func TestInterrupted(t *testing.T) {
	b := newBed(t, "killed", "--driver", "nspawn", "--nodes", "1")
	for i, after := range []time.Duration{300, 1000, 2000, 3000, 4500, 6500, 9000} {
		sig := syscall.SIGKILL
		if i%2 == 1 {
			sig = syscall.SIGINT
		}
		ctx, cancel := contextFor(time.Minute)
		c := b.command(ctx, "--plain", "up", "--isolated", "--driver", "nspawn", "--nodes", "1")
		var out bytes.Buffer
		c.Stdout, c.Stderr = &out, &out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after * time.Millisecond)
		if err := c.Process.Signal(sig); err != nil {
			t.Logf("it had ended before %v", after*time.Millisecond)
		}
		err := c.Wait()
		cancel()
		t.Logf("%v after %v: %v\n%s", sig, after*time.Millisecond, err, out.String())
	}
	b.up()
	b.ready(10 * time.Second)
	b.kubectl("run", "works", "--image=busybox:1.37", "--command", "--", "sleep", "60")
	b.kubectl("wait", "--for=condition=Ready", "pod/works", "--timeout=30s")

	t.Run("reset", func(t *testing.T) {
		ctx, cancel := contextFor(time.Minute)
		defer cancel()
		c := b.command(ctx, "reset")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(400 * time.Millisecond)
		if err := c.Process.Kill(); err != nil {
			t.Logf("the reset had ended: %v", err)
		}
		_ = c.Wait() // it was killed
		b.nori("reset")
		b.ready(10 * time.Second)
		if out := b.kubectl("get", "pods", "-o", "name"); out != "" {
			t.Errorf("after the reset there is %s", out)
		}
	})
}

// TestTwoAtOnce runs the same `nori up` twice: the second waits, and says for whom.
func TestTwoAtOnce(t *testing.T) {
	b := newBed(t, "twice", "--driver", "nspawn", "--nodes", "1")
	var wg sync.WaitGroup
	outs := make([]string, 2)
	errs := make([]error, 2)
	for i := range 2 {
		wg.Go(func() {
			outs[i], errs[i] = b.try(3*time.Minute, "--plain", "up", "--isolated", "--driver", "nspawn", "--nodes", "1")
		})
	}
	wg.Wait()
	for i := range 2 {
		if errs[i] != nil {
			t.Errorf("up: %v\n%s", errs[i], outs[i])
		}
	}
	if all := strings.Join(outs, ""); !strings.Contains(all, "waiting for nori up, process ") {
		t.Errorf("nobody said who holds the lock:\n%s", all)
	}
}

// TestDiskFull builds the machine image into a small file system.
func TestDiskFull(t *testing.T) {
	b := newBed(t, "full")
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64m", "none", dir).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v %s", err, out)
	}
	defer func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	}()
	ctx, cancel := contextFor(2 * time.Minute)
	defer cancel()
	c := b.command(ctx, "--plain", "up", "--isolated", "--driver", "nspawn")
	c.Env = append(c.Env, "NORI_CACHE="+dir)
	out, err := c.CombinedOutput()
	if exitCode(err) != 3 || !strings.Contains(string(out), "remedy") {
		t.Errorf("with the disk full, up ended with %v and said %s", err, out)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "image", "*", "manifest.json")); len(left) > 0 {
		t.Errorf("a half image would be used later: %v", left)
	}
}

// TestLibvirtMissing asks for a libvirt that is not there.
func TestLibvirtMissing(t *testing.T) {
	b := newBed(t, "nolibvirt")
	out, err := b.try(time.Minute, "--plain", "up", "--driver", "libvirt", "--connect", "qemu+unix:///system?socket=/nonexistent/sock")
	if exitCode(err) != 3 || !strings.Contains(out, "remedy") {
		t.Errorf("up ended with %v and said %s", err, out)
	}
}

// TestDoctor holds what doctor says to its form, and its exit code to what it says: each
// failure names its remedy, in both languages.
func TestDoctor(t *testing.T) {
	b := newBed(t, "doctor")
	look := func(words string, args ...string) string {
		out, err := b.try(time.Minute, append([]string{"doctor", "--driver", "nspawn"}, args...)...)
		want := 0
		if strings.Contains(out, "FAIL") {
			want = 3
		}
		if code := exitCode(err); code != want {
			t.Errorf("doctor ended with %v, not with %d:\n%s", err, want, out)
		}
		lines := strings.Split(out, "\n")
		for i, l := range lines {
			if strings.HasPrefix(l, "FAIL") && (i+1 == len(lines) || !strings.Contains(lines[i+1], words)) {
				t.Errorf("no remedy for: %s", l)
			}
		}
		return out
	}
	t.Log(look("remedy:"))
	// A disk on which no testbed fits.
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64m", "none", b.home).CombinedOutput(); err != nil {
		t.Skipf("no small disk: %v %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", b.home).CombinedOutput(); err != nil {
			t.Errorf("%v %s", err, out)
		}
	})
	for words, lang := range map[string]string{"remedy:": "en", "해결책:": "ko"} {
		if out := look(words, "--lang", lang); !strings.Contains(out, "FAIL") {
			t.Errorf("64 MiB are enough for doctor:\n%s", out)
		}
	}
}

// TestVirtualMachines is the main job on virtual machines, emulated where there
// is no KVM: boot, install, prove a lab, reset.
func TestVirtualMachines(t *testing.T) {
	if os.Getenv("NORI_VM_TEST") == "" {
		t.Skip("set NORI_VM_TEST=1 (make test does)")
	}
	b := newBed(t, "vm", "--driver", "libvirt", "--nodes", "2")
	before := hostState(t, b)
	t.Log(b.up())
	b.ready(3 * time.Minute)
	// Nothing large went through SSH.
	for node, program := range map[string]string{"control": "nori-control", "node1": "nori-node"} {
		if to := b.ssh(node, "readlink /usr/local/bin/"+program); to != machine.ParcelDir+"/"+program {
			t.Errorf("%s on %s is not the parcel's but %q", program, node, to)
		}
	}
	// One way at a time, and patiently: an emulated processor is some twenty
	// times slower. The limits are for the steps; what is graded stays the same.
	out, err := b.try(40*time.Minute, "--plain", "lab", "prove", "pods", "--ways", "untouched,solution", "-j", "1", "--patience", "4")
	t.Log(out)
	if err != nil {
		t.Fatalf("nori lab prove pods: %v", err)
	}
	b.kubectl("create", "configmap", "after")
	b.ssh("node1", "systemctl stop nori-agent")
	uptime := func() (seconds float64) {
		if _, err := fmt.Sscan(b.ssh("node1", "cat /proc/uptime"), &seconds); err != nil {
			t.Error(err)
		}
		return seconds
	}
	before60 := uptime() - 60
	begin := time.Now()
	t.Log(b.nori("--plain", "reset"))
	t.Logf("reset took %v", time.Since(begin))
	// The proof took minutes. Did they pass in the machine, all timers would have fired.
	if now := uptime(); now > before60 {
		t.Errorf("node1 has been up for %.0f s after the reset, and before it for %.0f s", now, before60+60)
	}
	b.ready(3 * time.Minute)
	if out, err := b.try(time.Minute, "kubectl", "get", "configmap", "after"); err == nil || !strings.Contains(out, "(NotFound)") {
		t.Errorf("what came after the snapshot is there: %v\n%s", err, out)
	}
	b.eventually(3*time.Minute, "the machines' clocks are right", func() error {
		host, guest := time.Now().Unix(), int64(0)
		if _, err := fmt.Sscan(b.ssh("node1", "date +%s"), &guest); err != nil {
			return err
		}
		if d := host - guest; d > 5 || d < -5 {
			return fmt.Errorf("node1's clock is %d s off", d)
		}
		return nil
	})
	b.kubectl("run", "works", "--image=busybox:1.37", "--command", "--", "sleep", "600")
	b.kubectl("wait", "--for=condition=Ready", "pod/works", "--timeout=180s")
	b.nori("down")
	compareHost(t, before, hostState(t, b))
}
