package install

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
	"noriter.dev/noriter/provision/filesum"
	"noriter.dev/noriter/provision/machine"
)

// stampDir has, on every machine, a file per unit that says what it was
// started from.
const stampDir = "/var/lib/noriter/stamps"

// stamp condenses what a unit is started from.
func stamp(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:", len(p))
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// startLimit is how long a unit may take to say that it is ready, all tries
// together; unitStartLimit is how long each may take (TimeoutStartSec of its file).
const (
	startLimit     = 150 * time.Second
	unitStartLimit = 90 * time.Second
)

// startTries is how often a unit is started before that counts as failed. A
// component that finds the API server too slow, and loses its lease over it,
// ends and is started again by systemd; that is no failure of the installation.
const startTries = 3

// restartIfChanged is a shell script that starts a unit, or restarts it if it
// runs from something else than the stamp says. What the unit last said goes
// to the error.
func restartIfChanged(unit, stamp string) string {
	return fmt.Sprintf(`
u=%[1]s s=%[2]s d=%[3]s
mkdir -p $d
if [ "$(cat $d/$u 2>/dev/null)" = $s ]; then how=start; else how=restart; fi
n=1
until systemctl $how $u; do
  if [ $n -ge %[4]d ]; then
    echo "$u did not start; the last it said:" >&2
    journalctl -u $u -n 15 --no-pager -o cat >&2
    exit 1
  fi
  n=$((n + 1)) how=start
  sleep 1
done
echo $s > $d/$u`, unit, stamp, stampDir, startTries)
}

func (c *Cluster) upload(ctx context.Context, m machine.Machine, program string) error {
	src := filepath.Join(c.BinDir, program)
	err := m.Upload(ctx, machine.File{Path: "/usr/local/bin/" + program, Mode: 0o755, Source: src})
	if err != nil {
		return lang.Errorf("sending %s to %s: %w", "%[2]s에 %[1]s 보내기: %[3]w", program, m.Name(), err)
	}
	return nil
}

func (c *Cluster) startControl(ctx context.Context, unit string) error {
	return c.start(ctx, c.Control(), c.control(), unit)
}

func (c *Cluster) startOnNodes(ctx context.Context, unit string) error {
	return c.each(ctx, func(ctx context.Context, n Node, m machine.Machine) error {
		return c.start(ctx, n, m, unit)
	})
}

// start starts a unit and waits until it says that it is ready (Type=notify).
func (c *Cluster) start(ctx context.Context, n Node, m machine.Machine, unit string) error {
	program := "nori-control"
	if unit == unitAgent || unit == unitProxy {
		program = "nori-node"
	}
	sum, err := filesum.Of(filepath.Join(c.BinDir, program))
	if err != nil {
		return lang.Errorf("reading %s: %w", "%s 읽기: %w", program, err)
	}
	c.mu.Lock()
	f, bundle := c.facts[n.Name], c.bundle
	c.mu.Unlock()
	parts := [][]byte{[]byte(sum.SHA256), c.unitFile(unit, n, f)}
	files, err := bundle.Files(n.Name)
	if err != nil {
		return lang.Errorf("collecting the certificates of %s: %w", "%s의 인증서 모으기: %w", n.Name, err)
	}
	for _, file := range files {
		parts = append(parts, []byte(file.Path), file.Content)
	}
	cmd := machine.Command{
		Line: restartIfChanged(unit, stamp(parts...)), Timeout: startLimit, Doing: lang.Textf("starting %s", "%s 시작", unit),
	}
	watched := &unitWatch{machine: m, units: []string{unit}}
	return wait.During(ctx, lang.Textf("%s to start on %s", "%[2]s의 %[1]s 시작", unit, m.Name()), watched.look, func(ctx context.Context) error {
		_, err := m.Run(ctx, cmd)
		return err
	})
}
