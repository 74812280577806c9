package e2e

import (
	"strings"
	"testing"
	"time"

	"noriter.dev/noriter/provision/nspawn/waysout"
)

// tryer is a pod that might come out of a container machine. It has the node's programs
// for it.
const tryer = `
apiVersion: v1
kind: Pod
metadata: {name: NAME}
spec:
  nodeName: node1
  terminationGracePeriodSeconds: 1
  volumes:
  - {name: usr, hostPath: {path: /usr}}
  - {name: lib, hostPath: {path: /usr/lib}}
  - {name: lib64, hostPath: {path: /usr/lib64, type: DirectoryOrCreate}}
  - {name: root, hostPath: {path: /}}
  SPEC
  containers:
  - name: main
    image: busybox:1.37
    command: [sleep, 1d]
    securityContext: CONTEXT
    volumeMounts: MOUNTS
`

// tools are the node's programs, for pods that see nothing else of it.
const tools = "[{name: usr, mountPath: /usr, readOnly: true}, {name: lib, mountPath: /lib, readOnly: true}, {name: lib64, mountPath: /lib64, readOnly: true}]"

// testWaysOut tries all ways out of a container machine: as root of a node, and from pods
// that may more and more. Where machines have no users of their own, SECURITY.md says
// what root and privileged pods can do.
func testWaysOut(t *testing.T, b *bed) {
	users := b.ssh("node1", "tr -s ' ' < /proc/self/uid_map") != "0 0 4294967295"
	if got := b.ssh("node1", waysout.Script(t, waysout.Node)); users && got != waysout.Closed {
		t.Errorf("root on a node came out:\n%s", got)
	}
	script := waysout.Script(t, waysout.Pod)
	pods := []struct{ name, spec, context, mounts, shell string }{
		{"plain", "", "{}", tools, "/usr/bin/sh"},
		{"user", "", "{runAsUser: 1000, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}", tools, "/usr/bin/sh"},
		{"hostpath", "", "{}", "[{name: root, mountPath: /host}]", "chroot /host /bin/sh"},
		{"privileged", "hostPID: true\n  hostIPC: true\n  hostNetwork: true", "{privileged: true}", "[{name: root, mountPath: /host}]", "chroot /host /bin/sh"},
	}
	if !users {
		pods = pods[:3]
	}
	for _, p := range pods {
		b.apply(strings.NewReplacer("NAME", p.name, "SPEC", p.spec, "CONTEXT", p.context, "MOUNTS", p.mounts).Replace(tryer))
	}
	for _, p := range pods {
		b.kubectl("wait", "--for=condition=Ready", "pod/"+p.name, "--timeout=60s")
		args := append([]string{"kubectl", "exec", p.name, "--"}, strings.Fields(p.shell)...)
		got, err := b.try(time.Minute, append(args, "-c", script)...)
		if err != nil || strings.TrimSpace(got) != waysout.Closed {
			t.Errorf("the pod %s came out: %v\n%s", p.name, err, got)
		}
		b.kubectl("delete", "pod", p.name, "--grace-period=1")
	}
}
