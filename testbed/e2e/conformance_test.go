package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"noriter.dev/noriter/internal/turn"
)

// conformanceGroups are Kubernetes' conformance cases in parts that take one to
// three minutes each: beginnings of the cases' names, as regular expressions.
var conformanceGroups = []string{
	`\[sig-network\] Services`, `\[sig-network\] (DNS|EndpointSlice|Ingress|Networking|Proxy|HostPort)`,
	`\[sig-node\] (Pods|Lease|Kubelet|Runtime|Security)`, `\[sig-node\] (Prob|Container|Init|Lifecycle|Ephemeral)`,
	`\[sig-storage\] (ConfigMap|Secrets|EmptyDir)`, `\[sig-storage\] (Projected|Downward|Subpath|HostPath|EmptyDir wrapper)`,
	`\[sig-apps\] (ReplicaSet|ReplicationController|Deployment)`, `\[sig-apps\] (Daemon|ControllerRevision)`,
	`\[sig-cli\]`, `\[sig-auth\]`, `\[sig-instrumentation\]`,
	`\[sig-api-machinery\] (Garbage|ResourceQuota|Namespaces|Watchers|server version|Discovery|Server)`,
}

// conformanceARun is how many groups are run each time.
const conformanceARun = 2

// TestConformance holds a testbed against Kubernetes' own cases; `make
// conformance` runs them all.
func TestConformance(t *testing.T) {
	needMachines(t)
	groups := turn.Mine("conformance cases", conformanceGroups, conformanceARun)
	c := exec.Command(filepath.Join(repo(t), "testbed", "conformance", "run"), strings.Join(groups, "|"))
	c.Env = append(os.Environ(), "NORI_HOME="+t.TempDir(), "NORI_CACHE="+cache(), "LANG=C.UTF-8", "NORI_TESTBED=", "KUBECONFIG=")
	out, err := c.CombinedOutput()
	t.Log(string(out))
	if err != nil {
		t.Errorf("conformance cases %s: %v", strings.Join(groups, ", "), err)
	}
}
