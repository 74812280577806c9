package install

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestJournalctl runs the script that machines have, with an echo in the place of
// the real journalctl.
func TestJournalctl(t *testing.T) {
	f := journalctlFile(Node{Name: "control", Control: true})
	path := filepath.Join(t.TempDir(), "journalctl")
	text := strings.Replace(string(f.Content), "exec /usr/bin/journalctl", `exec printf '[%s]'`, 1)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"":                                   "[]",
		"-u kube-scheduler":                  "[-u][nori-scheduler]",
		"-xeu kubelet.service -f":            "[-xeu][nori-agent][-f]",
		"-ukube-proxy":                       "[-unori-proxy]",
		"--unit=etcd --unit kube-apiserver":  "[--unit=nori-etcd][--unit][nori-apiserver]",
		"-u containerd -g etcd -t kubelet":   "[-u][containerd][-g][etcd][-t][kubelet]",
		"-u kubelet -u kubelet kubelet":      "[-u][nori-agent][-u][nori-agent][kubelet]",
		`-u kube-controller-manager -g "a*"`: `[-u][nori-controllers][-g]["a*"]`,
	} {
		out, err := exec.Command("sh", append([]string{path}, strings.Fields(args)...)...).CombinedOutput()
		if string(out) != want || err != nil {
			t.Errorf("journalctl %s ran with %s, want %s (%v)", args, out, want, err)
		}
	}
	worker := string(journalctlFile(Node{Name: "node1"}).Content)
	if strings.Contains(worker, "nori-etcd") || !strings.Contains(worker, "kubelet|kubelet.service) echo nori-agent ;;") {
		t.Errorf("a worker has other components:\n%s", worker)
	}
}
