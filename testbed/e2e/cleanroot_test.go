package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	machineimage "noriter.dev/noriter/provision/image"
)

// hostBed is the testbed that is meant there. The control groups are the whole machine's:
// a testbed of the default name might be one that somebody works with.
const hostBed = "cleanroot"

// host is a Debian of its own: a root, processes, mounts and a network without a way out.
type host struct {
	t   *testing.T
	pid string
}

// hostRoot makes such a Debian's root, or takes the one that an earlier run has made.
func hostRoot(t *testing.T, r release, suite string) string {
	t.Helper()
	depends, err := exec.Command("dpkg-deb", "--field", r.deb, "Depends").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.ReplaceAll(strings.TrimSpace(string(depends)), ", ", ",")
	root := filepath.Join(cache(), "e2e", fmt.Sprintf("%s-%x", suite, sha256.Sum256([]byte(packages)))[:20])
	if _, err := os.Stat(root); err == nil {
		return root
	}
	options, sources, err := machineimage.HostApt(t.Context(), suite)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"--variant=minbase", "--include=" + packages, "--aptopt=APT::Install-Recommends \"false\"", "--dpkgopt=force-unsafe-io"}
	for _, o := range options {
		args = append(args, "--aptopt="+o)
	}
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		t.Fatal(err)
	}
	part := root + ".part"
	if err := os.RemoveAll(part); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mmdebstrap", append(append(args, suite, part), sources...)...).CombinedOutput(); err != nil {
		t.Fatalf("mmdebstrap: %v\n%s", err, out)
	}
	if err := os.Rename(part, root); err != nil {
		t.Fatal(err)
	}
	return root
}

// hostScript is the first process: it makes the mounts of the host ($1: a folder for
// what it writes, $2: the root, $3: what lies on /mnt) and takes care of orphans, as
// an init does.
const hostScript = `set -e
mount --make-rprivate /
mkdir -p "$1/up" "$1/work" "$1/root" "$1/var"
mount -t overlay -o "lowerdir=$2,upperdir=$1/up,workdir=$1/work" overlay "$1/root"
cd "$1/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /sys/fs/cgroup sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mkdir -p var/lib/noriter
mount --bind "$1/var" var/lib/noriter
mount --bind "$3" mnt
chroot . systemd-machine-id-setup
ip link set lo up
exec chroot . /bin/sh -c 'echo ready; while :; do sleep 1000 & wait $!; done'
`

func newHost(t *testing.T, r release, suite string) *host {
	t.Helper()
	root := hostRoot(t, r, suite)
	dir, err := os.MkdirTemp(filepath.Dir(root), "host-") // an overlay can't lie on an overlay, which /tmp may be
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", hostScript, "sh", dir, root, filepath.Dir(r.deb))
	said, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints bytes.Buffer
	c.Stderr = &complaints
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	h := &host{t: t}
	t.Cleanup(func() {
		if t.Failed() && h.pid != "" {
			out, err := h.try("nori", "down")
			t.Logf("nori down: %v\n%s", err, out)
		}
		_ = c.Process.Kill() // its namespaces, and all in them, end with it
		_ = c.Wait()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	var line [200]byte
	n := 0
	for !strings.Contains(string(line[:n]), "ready\n") {
		more, err := said.Read(line[n:])
		if err != nil {
			_ = c.Process.Kill()
			_ = c.Wait()
			t.Fatalf("making a host: %v\n%s", err, complaints.String())
		}
		n += more
	}
	child, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", c.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	h.pid = strings.TrimSpace(string(child))
	return h
}

// try runs a command on the host.
func (h *host) try(args ...string) (string, error) {
	ctx, cancel := contextFor(5 * time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "nsenter", append([]string{
		"--target", h.pid, "--mount", "--net", "--pid", "--root", "--",
		"env", "-i", "--chdir=/", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "NORI_TESTBED=" + hostBed,
	}, args...)...)
	out, err := c.CombinedOutput()
	return string(out), err
}

// run is try for what must succeed.
func (h *host) run(args ...string) string {
	h.t.Helper()
	out, err := h.try(args...)
	if err != nil {
		h.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// state is all that could be left behind.
func (h *host) state() map[string][]string {
	h.t.Helper()
	state := map[string][]string{}
	for what, script := range map[string]string{
		// What stays: dpkg's own records, systemd-nspawn's empty folders, and the folder of
		// network namespaces, which is everybody's (as ip-netns(8) leaves it).
		"files": `find / -xdev \( -path /var/lib/dpkg -o -path /var/log -o -path /var/cache \) -prune -o -print
find /var/lib/noriter; find /run \( -path /run/systemd -o -path /run/netns -empty \) -prune -o -print`,
		"mounts":  "cut -d' ' -f1-3 /proc/mounts | grep -v ' /run/netns tmpfs$'",
		"network": "ls /sys/class/net",
		"cgroups": "find /sys/fs/cgroup -type d -path '*/noriter/" + hostBed + "-*'",
		// The first process, and what looks.
		"processes": "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done | grep -vE '^(sleep 1000|find|sh -c for|/bin/sh -c echo ready|grep|tr) |^$' || true",
	} {
		state[what] = sorted(strings.Split(strings.TrimSpace(h.run("sh", "-c", script)), "\n"))
	}
	return state
}
