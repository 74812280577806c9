package libvirt

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strconv"

	"noriter.dev/noriter/internal/filelock"
	"noriter.dev/noriter/internal/lang"
)

// A console is written to the host's disk for as long as its machine prints. QEMU writes to
// a pipe, and virtlogd to the file, which it begins anew when that is full. No machine starts
// while virtlogd is dead, and libvirtd starts none: we look whenever we need libvirtd.

// virtlogdConf bounds each console. There is no older file beside it, since what nori shows
// is the end of this one.
const virtlogdConf = `# The virtlogd of one testbed.
max_size = 4194304
max_backups = 0
log_outputs = "3:file:/var/log/libvirt/virtlogd.log"
`

const logProgram = "virtlogd"

// stdioHandler is who writes consoles: QEMU itself where the host has no virtlogd.
func stdioHandler() string {
	if _, err := lookProgram(logProgram); err != nil {
		return "file"
	}
	return "logd"
}

// startLog starts virtlogd, if this libvirtd was told to use it and it does not answer.
func (d *daemon) startLog(ctx context.Context) error {
	conf, err := os.ReadFile(d.path("etc", "qemu.conf"))
	if err != nil || !bytes.Contains(conf, []byte("stdio_handler = \"logd\"\n")) || d.logs() {
		return nil //nolint:nilerr // without it, nothing was said to libvirtd
	}
	unlock, err := filelock.Lock(ctx, d.path("lock"), lang.Text{
		EN: "another nori to start the testbed's virtlogd", KO: "다른 nori가 테스트베드의 virtlogd를 시작하기",
	}, nil)
	if err != nil {
		return err
	}
	defer unlock()
	if d.logs() {
		return nil
	}
	pid, err := d.pid()
	if err != nil {
		return err
	}
	// A file, not a pipe, as for libvirtd.
	out, err := os.OpenFile(d.path("start.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return lang.Errorf("starting virtlogd: %w", "virtlogd 시작: %w", err)
	}
	defer out.Close()
	cmd := exec.CommandContext(ctx, "nsenter", "--mount=/proc/"+strconv.Itoa(pid)+"/ns/mnt", logProgram, "--daemon",
		"--config", "/etc/libvirt/virtlogd.conf", "--pid-file", "/run/libvirt/virtlogd.pid")
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = daemonEnv(), "/", out, out
	if err := cmd.Run(); err != nil {
		return lang.Errorf("starting the testbed's virtlogd: %w\n%s", "테스트베드의 virtlogd 시작: %w\n%s", err, d.said())
	}
	return nil
}

// logs says whether a virtlogd takes connections.
func (d *daemon) logs() bool {
	c, err := dialUnix(d.path("run", "virtlogd-sock"))
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}
