package kvm

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, name, content string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestWorks(t *testing.T) {
	device := write(t, "kvm", "")
	vmx := write(t, "with", "processor\t: 0\nflags\t\t: fpu vme vmx sse2\n")
	svm := write(t, "svm", "flags : svm\n")
	none := write(t, "without", "flags\t\t: fpu vme xvmx sse2\n")
	ok := func(string) error { return nil }
	for _, c := range []struct {
		name string
		p    Probe
		want bool
		why  string
	}{
		{"works on Intel", Probe{device, vmx, ok}, true, "ran to its end"},
		{"works on AMD", Probe{device, svm, ok}, true, "ran to its end"},
		{"no device", Probe{device + "x", vmx, ok}, false, "is not there"},
		{"no flag", Probe{device, none, ok}, false, "neither vmx nor svm"},
		{"no cpuinfo", Probe{device, none + "x", ok}, false, "neither vmx nor svm"},
		{"guest fails", Probe{device, vmx, func(string) error { return errors.New("boom") }}, false, "can't run guests: boom"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, why := c.p.Works(context.Background())
			if got != c.want || !strings.Contains(why.EN, c.why) {
				t.Errorf("Works = %v, %q; want %v with %q in it", got, why, c.want, c.why)
			}
		})
	}
}

func TestHangIsFound(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	p := Probe{write(t, "kvm", ""), write(t, "cpuinfo", "flags: vmx\n"), func(string) error { <-release; return nil }}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if ok, why := p.Works(ctx); ok || !strings.Contains(why.EN, "did not end") {
		t.Errorf("Works = %v, %q of a guest that hangs", ok, why)
	}
}

// A device that is no KVM device must be an error, never a panic.
func TestRunGuestOnAnotherDevice(t *testing.T) {
	if err := runGuest("/dev/null"); err == nil {
		t.Error("a guest ran on /dev/null")
	}
}

// On a host whose CPU shows the flag and whose device opens, the real guest
// must give a definite answer within the limit.
func TestRealProbeEnds(t *testing.T) {
	start := time.Now()
	ok, why := Works(context.Background())
	t.Logf("works here: %v (%s)", ok, why)
	if why.EN == "" || why.KO == "" {
		t.Error("no reason given")
	}
	if d := time.Since(start); d > Limit+time.Second {
		t.Errorf("the probe took %s", d)
	}
}
