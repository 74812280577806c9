package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// testAttacks does what somebody would do who was let in a little: a user of a
// machine, a pod, a learner with all rights who is careless.
func testAttacks(t *testing.T, b *bed) {
	// A user of a machine looks for keys.
	for _, node := range []string{"control", "node1"} {
		out := b.ssh(node, `find /etc/kubernetes /etc/noriter /var/lib/kubelet/pki -type f -perm /007 ! -name '*.crt' ! -name '*.pub' 2>/dev/null; true`)
		if out != "" {
			t.Errorf("everybody on %s may read %s", node, out)
		}
		if out := b.ssh(node, `find / -xdev -name '*ca.key' -path '*pki*'`); out != "" {
			t.Errorf("%s has the key of an authority: %s", node, out)
		}
	}
	// Whoever takes a component over has little.
	for _, unit := range []string{"etcd", "apiserver", "scheduler", "controllers", "proxy", "registry"} {
		who := b.ssh("control", "ps -o user:32= -p $(systemctl show -p MainPID --value nori-"+unit+")")
		if who != "nori-"+unit {
			t.Errorf("nori-%s runs as %s", unit, who)
		}
	}
	// Anything in the cluster reaches the registry.
	for account, want := range map[string]string{"": "401", "-u learner:playground": "403"} {
		out := b.ssh("node1", `curl -s -o /dev/null -w '%{http_code}' -X POST `+account+` http://control:5000/v2/hello/blobs/uploads/`)
		if out != want {
			t.Errorf("pushing with %q is answered with %s, want %s", account, out, want)
		}
	}
	address := b.kubectl("get", "node", "control", "-o", "jsonpath={.status.addresses[0].address}")
	testCapture(t, b, address)
	if out, err := b.try(10*time.Second, "kubectl", "run", "ssh", "--image=busybox:1.37", "--overrides",
		`{"spec":{"containers":[{"name":"ssh","image":"busybox:1.37","ports":[{"containerPort":80,"hostPort":22}]}]}}`); err == nil || !strings.Contains(out, "the machine itself listens") {
		t.Errorf("a pod with host port 22: %v, %s", err, out)
	}
}

// testCapture claims the API server's address, with and without the policy that is
// against it, and takes the administrator's rights away. `nori up` mends both.
func testCapture(t *testing.T, b *bed, address string) {
	evil := `
apiVersion: v1
kind: Service
metadata: {name: evil}
spec:
  externalIPs: [` + address + `]
  selector: {run: evil}
  ports: [{port: 6443, targetPort: 8080}]
`
	b.kubectl("run", "evil", "--image=noriter/hello:v1")
	b.kubectl("wait", "--for=condition=Ready", "pod/evil", "--timeout=30s")
	path := filepath.Join(t.TempDir(), "evil.yaml")
	if err := os.WriteFile(path, []byte(evil), 0o644); err != nil {
		t.Fatal(err)
	}
	capture := func() (string, error) { return b.try(20*time.Second, "kubectl", "apply", "-f", path) }
	if out, err := capture(); err == nil || !strings.Contains(out, "none of the cluster's own") {
		t.Errorf("a Service took the API server's address: %v, %s", err, out)
	}
	b.kubectl("delete", "validatingadmissionpolicybinding", "addresses.noriter.dev")
	b.eventually(20*time.Second, "without the policy", func() error {
		_, err := capture()
		return err
	})
	b.want(20*time.Second, "true", "get", "endpointslices", "-l", "kubernetes.io/service-name=evil", "-o", "jsonpath={.items[*].endpoints[*].conditions.ready}")
	// The proxies have it when its own address leads to the pod.
	ip := b.kubectl("get", "service", "evil", "-o", "jsonpath={.spec.clusterIP}")
	b.ssh("control", "for i in $(seq 100); do curl -sf -m 1 http://"+ip+":6443 && exit; sleep 0.1; done; exit 1")
	b.kubectl("get", "nodes")
	b.kubectl("delete", "clusterrolebinding", "kubeadm:cluster-admins")
	b.up()
	b.kubectl("delete", "service/evil", "pod/evil", "--grace-period=1")
	b.eventually(20*time.Second, "with the policy that `nori up` puts back", func() error {
		if out, err := capture(); err == nil {
			b.kubectl("delete", "service/evil")
			return errors.New(out)
		}
		return nil
	})
}
