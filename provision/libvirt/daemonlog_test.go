package libvirt

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// talker prints to the console without end: out 3f8, "x"; again.
var talker = append(append([]byte{0xba, 0xf8, 0x03, 0xb0, 'x', 0xee, 0xeb, 0xfd}, make([]byte, 502)...), 0x55, 0xaa)

const talkerDomain = `<domain type='qemu'><name>talker</name><memory unit='MiB'>32</memory><os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><disk type='file' device='floppy'><driver name='qemu' type='raw'/><source file='%[1]s/talker'/><target dev='fda'/><readonly/></disk>
<serial type='file'><source path='%[1]s/talker.console.log' append='on'/><target port='0'/></serial></devices></domain>`

// consoleTest has a machine that fills its console, after virtlogd has died once.
func consoleTest(t *testing.T, ctx context.Context, nori func() *Provider, dir string) {
	t.Helper()
	for _, prog := range []string{logProgram, "virsh", "qemu-system-x86_64"} {
		if _, err := lookProgram(prog); err != nil {
			t.Log("the console is not tried: this host has no " + prog)
			return
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "run", "virtlogd.pid"))
	must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	must(t, err)
	must(t, syscall.Kill(pid, syscall.SIGKILL))
	_, err = waitGone(ctx, []int{pid}, daemonStopLimit)
	must(t, err)
	must(t, nori().Prepare(ctx))
	must(t, os.WriteFile(filepath.Join(dir, "talker"), talker, 0o644))
	domain := filepath.Join(dir, "talker.xml")
	must(t, os.WriteFile(domain, fmt.Appendf(nil, talkerDomain, dir), 0o644))
	virsh := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(ctx, "virsh", append([]string{"-c", "qemu:///system?socket=" + filepath.Join(dir, "run", "libvirt-sock")}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("virsh %v: %v\n%s", args, err, out)
		}
	}
	virsh("create", domain)
	defer virsh("destroy", "talker")
	log := filepath.Join(dir, "talker.console.log")
	var first os.FileInfo
	for {
		fi, err := os.Stat(log)
		switch {
		case ctx.Err() != nil:
			t.Fatalf("%v: the console is at %v", ctx.Err(), fi)
		case err != nil: // it is being begun anew
		case fi.Size() > 4<<20:
			t.Fatalf("the console takes %d bytes", fi.Size())
		case first == nil:
			first = fi
		case !os.SameFile(first, fi) && fi.Size() > 0:
			text, err := os.ReadFile(log)
			if err != nil || !bytes.Contains(text, []byte("xxx")) {
				t.Errorf("the console says %q, %v", text[:min(len(text), 20)], err)
			}
			return
		}
		time.Sleep(10 * time.Millisecond) // until the file is full; the test has a limit
	}
}
