package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// hostileHost is a host on which all is wrong that people were seen to have, at once:
// a network namespace that stands for it, a home folder, an environment.
type hostileHost struct {
	*bed
	namespace, home string
	env             []string
}

// hostileFiles are in the home folder: another cluster's, another host's, and a
// start-up file that makes kubectl something else.
var hostileFiles = map[string]string{
	".kube/config": "apiVersion: v1\nkind: Config\ncurrent-context: prod\ncontexts: [{name: prod, context: {cluster: prod, user: prod}}]\n" +
		"clusters: [{name: prod, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: prod, user: {exec: {command: 'false', apiVersion: client.authentication.k8s.io/v1}}}]\n",
	"broken.yaml":      "apiVersion: v1\nkind: Config\nclusters: [\n",
	".ssh/config":      "Host *\n  ProxyCommand false\n  StrictHostKeyChecking yes\n  User nobody\n  IdentityFile /dev/null\n",
	".ssh/known_hosts": "10.77.0.10 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
	".bashrc":          "kubectl() { echo hijacked; return 9; }\nalias kubectl='kubectl --context=prod'\nset -o nounset\n",
	"exits.sh":         "echo hijacked; exit 9\n",
	"lib/libcap.so.2":  "no library\n",
	"lib/libmnl.so.0":  "no library\n",
	"lib/libkmod.so.2": "no library\n",
	"apt.conf":         "Acquire::http::Proxy \"http://127.0.0.1:1\";\n",
}

func newHostileHost(t *testing.T) *hostileHost {
	h := &hostileHost{bed: newBed(t, "hostile"), namespace: fmt.Sprintf("h-%d", os.Getpid()), home: t.TempDir()}
	for file, content := range hostileFiles {
		path := filepath.Join(h.home, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tmp := filepath.Join(h.home, "tmp with a space")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	h.host("mount", "-t", "tmpfs", "-o", "noexec,size=64m", "none", tmp)
	t.Cleanup(func() { h.host("umount", tmp) })
	h.host("ip", "netns", "add", h.namespace)
	t.Cleanup(func() { h.host("ip", "netns", "delete", h.namespace) })
	t.Cleanup(func() {
		if out, err := h.run(3*time.Minute, nil, nil, "down"); err != nil {
			t.Errorf("nori down: %v\n%s", err, out)
		}
	})
	h.env = []string{
		"NORI_HOME=" + h.bed.home, "NORI_CACHE=" + cache(), "HOME=" + h.home, "PATH=/nowhere:/usr/bin:/bin", "TMPDIR=" + tmp,
		"HTTP_PROXY=http://127.0.0.1:1", "HTTPS_PROXY=http://127.0.0.1:1", "ALL_PROXY=socks5://127.0.0.1:1", "http_proxy=http://127.0.0.1:1",
		"https_proxy=http://127.0.0.1:1", "all_proxy=socks5://127.0.0.1:1", "NO_PROXY=,, ,*.corp.example,[::1]:80", "no_proxy=,",
		"LC_ALL=ko_KR.EUC-KR", "LANG=xx_YY.ISO8859-1", "TZ=Nowhere/Else", "TERM=dumb",
		"KUBECONFIG=" + h.home + "/broken.yaml:" + h.home + "/.kube/config", "SSH_AUTH_SOCK=" + h.home + "/gone", "EDITOR=false", "KUBE_EDITOR=false",
		"GODEBUG=http2client=0", "GOFLAGS=-mod=bogus", "GOMAXPROCS=1", "LD_LIBRARY_PATH=" + h.home + "/lib:", "CDPATH=/:/usr", "POSIXLY_CORRECT=1",
		"BASH_ENV=" + h.home + "/exits.sh", "ENV=" + h.home + "/exits.sh", "TAR_OPTIONS=--bogus", "PERL5OPT=-MNoSuchModule", "APT_CONFIG=" + h.home + "/apt.conf",
		"INVOCATION_ID=0123456789abcdef0123456789abcdef", "NOTIFY_SOCKET=" + h.home + "/gone", "LISTEN_FDS=1", "LISTEN_FDNAMES=x", "WATCHDOG_USEC=1",
		"XDG_RUNTIME_DIR=/nowhere", "XDG_DATA_HOME=/nowhere", "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere", "SUDO_USER=nobodyhere", "USER=nobodyhere",
	}
	return h
}

// host runs a command of the test's own.
func (h *hostileHost) host(name string, args ...string) {
	h.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		h.t.Fatalf("%s %v: %v %s", name, args, err, out)
	}
}

// inside is what nori is started by: a folder that is gone, limits, a file mask, no
// standard input, a file that is open, a service manager's word for this very process.
const inside = `umask 077
gone=$(mktemp -d -p /tmp) && cd "$gone" && rmdir "$gone"
exec 3</dev/null
export LISTEN_PID=$$
[ "$1" = closed ] && exec 0<&-
namespace=$2
shift 2
exec nsenter --net="$namespace" prlimit --nofile=256: --nproc=200: --core=0:0 env 'BASH_FUNC_kubectl%%=() { echo hijacked; return 9; }' "$@"`

// run runs nori there: with more variables, and with an input, or none at all.
func (h *hostileHost) run(limit time.Duration, more []string, input *string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	stdin := "closed"
	if input != nil {
		stdin = "open"
	}
	line := []string{"-c", inside, "sh", stdin, "/run/netns/" + h.namespace, filepath.Join(repo(h.t), "bin", "nori"), "--name", h.name, "--plain"}
	c := exec.CommandContext(ctx, "/bin/sh", append(line, args...)...)
	c.Env = append(slices.Clone(h.env), more...)
	if input != nil {
		c.Stdin = strings.NewReader(*input)
	}
	c.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("not done after %v", limit)
	}
	return out.String(), err
}

// does runs nori there, which must succeed.
func (h *hostileHost) does(args ...string) string {
	h.t.Helper()
	out, err := h.run(4*time.Minute, nil, nil, args...)
	if err != nil || strings.Contains(out, "hijacked") {
		h.t.Fatalf("nori %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// TestHostileEnvironment is the main job on that host: a testbed comes up, is used, goes
// back, is reported on when it is broken, and goes.
func TestHostileEnvironment(t *testing.T) {
	needMachines(t)
	h := newHostileHost(t)
	before := hostState(t, h.bed)
	// Not isolated, as without any flag: the testbed is on the host's own network.
	t.Log(h.does("up", "--driver", "nspawn", "--nodes", "1"))
	h.does("status")
	manifest := filepath.Join(h.home, "web.yaml")
	if err := os.WriteFile(manifest, []byte(hostileManifest), 0o600); err != nil {
		t.Fatal(err)
	}
	h.does("kubectl", "apply", "-f", manifest)
	h.does("kubectl", "wait", "--for=condition=Ready", "pod/web", "--timeout=60s")
	h.step(t)
	h.shell(t)
	h.otherHomes(t)
	h.does("ssh", "control", "--", "true")
	h.does("reset")
	if out, err := h.run(time.Minute, nil, nil, "kubectl", "-n", "default", "get", "pod", "web"); err == nil {
		t.Errorf("what came after the start is there after a reset: %s", out)
	}
	h.report(t)
	h.does("down")
	compareHost(t, before, hostState(t, h.bed))
	h.unharmed(t)
}

const hostileManifest = `apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  securityContext: {runAsUser: 1000}
  containers: [{name: web, image: noriter/hello:v1}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080, nodePort: 30080}]
`

// step opens a lab, does its first step, and has it checked.
func (h *hostileHost) step(t *testing.T) {
	t.Helper()
	h.does("lab", "start", "pods")
	h.does("kubectl", "run", "hello", "--image=noriter/hello:v1")
	h.does("kubectl", "wait", "--for=condition=Ready", "pod/hello", "--timeout=60s")
	var status struct {
		Lab, Step string
		Passed    bool
	}
	out := h.does("lab", "status", "-o", "json")
	if err := json.Unmarshal([]byte(out), &status); err != nil || !status.Passed || status.Lab != "pods" {
		t.Errorf("the lab's first step: %v, %s", err, out)
	}
}

// shell types into `nori shell`, as a learner does.
func (h *hostileHost) shell(t *testing.T) {
	t.Helper()
	node := strings.TrimSpace(h.does("kubectl", "get", "node", "node1", "-o", "jsonpath={.status.addresses[0].address}"))
	input := "kubectl -n default get pod web -o name\nk -n default get pod web -o name\ncurl -sS -m 20 http://" + node + ":30080/\necho; printenv HTTP_PROXY LD_LIBRARY_PATH\nexit 4\n"
	out, err := h.run(time.Minute, nil, &input, "shell")
	for _, want := range []string{"pod/web", "Hello from web", "http://127.0.0.1:1", h.home + "/lib:"} {
		if !strings.Contains(out, want) {
			t.Errorf("the shell does not say %q", want)
		}
	}
	if exitCode(err) != 4 || strings.Contains(out, "hijacked") || strings.Count(out, "pod/web") < 2 {
		t.Errorf("the shell ended with %v and said\n%s", err, out)
	}
}

// otherHomes has a look with homes and folders that are not there, or are no folders.
func (h *hostileHost) otherHomes(t *testing.T) {
	t.Helper()
	for _, more := range [][]string{
		{"HOME=", "TMPDIR=/nowhere/at all"}, {"HOME=/dev/null/home", "TMPDIR=/dev/null"}, {"HOME=relative", "TMPDIR=", "LC_ALL=xx_YY"},
	} {
		if out, err := h.run(time.Minute, more, nil, "status", "-o", "json"); err != nil {
			t.Errorf("%v: nori status: %v\n%s", more, err, out)
		}
		if out, err := h.run(time.Minute, more, nil, "kubectl", "get", "nodes", "-o", "name"); err != nil || !strings.Contains(out, "node/node1") {
			t.Errorf("%v: nori kubectl: %v\n%s", more, err, out)
		}
	}
}

// report has one made of a testbed that is broken: no API server, a machine that does not
// answer. No key of the testbed's is in it.
func (h *hostileHost) report(t *testing.T) {
	t.Helper()
	h.does("ssh", "node1", "--", "systemctl stop ssh.service")
	h.does("ssh", "control", "--", "systemctl stop nori-apiserver")
	file := filepath.Join(h.home, "report.tar.gz")
	out := h.does("report", "--yes", "-o", file)
	text, err := exec.Command("tar", "-xzOf", file).Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"nori-etcd", "Welcome to Debian", `"driver": "nspawn"`, "node1"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the report lacks %q; it says it has\n%s", want, out)
		}
	}
	if strings.Contains(string(text), h.home) {
		t.Error("the home folder's name is in the report")
	}
	keys := regexp.MustCompile("[A-Za-z0-9+/=]{40,}")
	err = filepath.WalkDir(filepath.Join(h.bed.home, "testbeds", h.name, "pki"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".key") {
			return err
		}
		data, err := os.ReadFile(path)
		for _, line := range keys.FindAllString(string(data), -1) {
			if strings.Contains(string(text), line) {
				t.Errorf("a line of %s is in the report", path)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// made are the files in the home folder that are there by right: the test's own, and
// what bash keeps of the person's shell.
var made = []string{"web.yaml", "report.tar.gz", ".bash_history"}

// unharmed sees that the person's own files are as they were.
func (h *hostileHost) unharmed(t *testing.T) {
	t.Helper()
	for file, was := range hostileFiles {
		if is, err := os.ReadFile(filepath.Join(h.home, file)); err != nil || string(is) != was {
			t.Errorf("%s was changed: %v\n%s", file, err, is)
		}
	}
	var more []string
	err := filepath.WalkDir(h.home, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(h.home, path) // below it
		if _, known := hostileFiles[rel]; err == nil && !d.IsDir() && !known && !slices.Contains(made, rel) {
			more = append(more, rel)
		}
		return err
	})
	if err != nil || len(more) > 0 {
		t.Errorf("left in the home folder: %v, %v", more, err)
	}
}
