package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const web = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: hello
        image: noriter/hello:v1
        ports: [{containerPort: 8080, name: http}]
        readinessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{port: 80, targetPort: http, nodePort: 30080}]
`

// TestTestbed is the main job on container machines: one testbed, through
// everything that a learner and an instructor do with it.
func TestTestbed(t *testing.T) {
	b := newBed(t, "e2e", "--driver", "nspawn")
	before := hostState(t, b)
	run := func(name string, f func(t *testing.T, b *bed)) {
		t.Helper()
		if t.Failed() {
			return // what follows would only repeat the first failure
		}
		t.Run(name, func(t *testing.T) {
			sub := *b
			sub.t = t
			f(t, &sub)
		})
	}
	run("up", testUp)
	run("pods", testPods)
	run("services", testServices)
	run("workloads", testWorkloads)
	run("security", testSecurity)
	run("attacks", testAttacks)
	run("ways out", testWaysOut)
	run("images", testImages)
	run("second up", testSecondUp)
	run("agent restart", testAgentRestart)
	run("shell", testShell)
	run("snapshot", testSnapshot)
	run("worker reboot", testWorkerReboot)
	run("control reboot", testControlReboot)
	run("reset", testReset)
	run("older nori", testOlderNori)
	run("log collector", testLogCollector)
	run("workers come and go", testMembers)
	run("down", func(t *testing.T, b *bed) {
		b.nori("down")
		compareHost(t, before, hostState(t, b))
		if out := b.nori("down"); !strings.Contains(out, "nothing to do") {
			t.Errorf("a second down said %q", out)
		}
	})
}

func testUp(t *testing.T, b *bed) {
	out := b.up()
	t.Log(out)
	for _, want := range []string{"etcd", "API server", "Ready in"} {
		if !strings.Contains(out, want) {
			t.Errorf("up did not say %q", want)
		}
	}
	b.ready(10 * time.Second)
	b.want(5*time.Second, "control node1 node2", "get", "nodes", "-o", "jsonpath={.items[*].metadata.name}")
	b.want(5*time.Second, "node-role.kubernetes.io/control-plane:NoSchedule", "get", "node", "control", "-o", "jsonpath={range .spec.taints[*]}{.key}:{.effect}{end}")
	if v := b.kubectl("version"); strings.Count(v, "v1.37.0") != 2 {
		t.Errorf("kubectl version: %s", v)
	}
	for alias, unit := range map[string]string{
		"etcd": "nori-etcd", "kube-apiserver": "nori-apiserver", "kube-scheduler": "nori-scheduler",
		"kube-controller-manager": "nori-controllers", "kubelet": "nori-agent", "kube-proxy": "nori-proxy",
	} {
		if got := b.ssh("control", "systemctl show -p Id --value "+alias); got != unit+".service" {
			t.Errorf("%s is an alias of %q, want %s", alias, got, unit)
		}
	}
	groups := b.kubectl("api-versions")
	for _, g := range []string{"apps/v1", "batch/v1", "autoscaling/v2", "networking.k8s.io/v1", "discovery.k8s.io/v1",
		"rbac.authorization.k8s.io/v1", "storage.k8s.io/v1", "policy/v1", "coordination.k8s.io/v1", "events.k8s.io/v1",
		"scheduling.k8s.io/v1", "authentication.k8s.io/v1", "authorization.k8s.io/v1", "certificates.k8s.io/v1", "apiextensions.k8s.io/v1"} {
		if !strings.Contains(groups, g+"\n") && !strings.HasSuffix(groups, g) {
			t.Errorf("the API lacks %s", g)
		}
	}
}

func testPods(t *testing.T, b *bed) {
	b.apply(`
apiVersion: v1
kind: Pod
metadata: {name: two, labels: {app: two}}
spec:
  terminationGracePeriodSeconds: 1
  volumes: [{name: shared, emptyDir: {}}]
  initContainers:
  - {name: first, image: "busybox:1.37", command: [sh, -c, "echo from-init > /s/init"], volumeMounts: [{name: shared, mountPath: /s}]}
  containers:
  - {name: a, image: "noriter/hello:v1", volumeMounts: [{name: shared, mountPath: /s}]}
  - {name: b, image: "busybox:1.37", command: [sh, -c, "echo started; sleep 3600"], volumeMounts: [{name: shared, mountPath: /s}]}
`)
	b.kubectl("wait", "--for=condition=Ready", "pod/two", "--timeout=30s")
	if got := b.kubectl("logs", "two", "-c", "b"); got != "started" {
		t.Errorf("logs: %q", got)
	}
	if got := b.kubectl("exec", "two", "-c", "b", "--", "cat", "/s/init"); got != "from-init" {
		t.Errorf("what the init container wrote: %q", got)
	}
	if got := b.kubectl("exec", "two", "-c", "b", "--", "wget", "-qO-", "http://localhost:8080/"); !strings.Contains(got, "two") {
		t.Errorf("the other container on localhost answered %q", got)
	}
	if out, err := b.try(20*time.Second, "kubectl", "exec", "two", "-c", "b", "--", "sh", "-c", "exit 7"); exitCode(err) != 7 {
		t.Errorf("exec of exit 7: %v %s", err, out)
	}
	reasons := b.kubectl("get", "events", "--field-selector", "involvedObject.name=two", "-o", "jsonpath={.items[*].reason}")
	for _, want := range []string{"Scheduled", "Pulled", "Created", "Started"} {
		if !strings.Contains(reasons, want) {
			t.Errorf("no event %s among %s", want, reasons)
		}
	}
	// What exits is restarted; a bare pod that is deleted does not come back.
	b.kubectl("exec", "two", "-c", "b", "--", "kill", "-9", "1")
	b.kubectl("exec", "two", "-c", "b", "--", "sh", "-c", "kill 1; sleep 1; kill -9 -1; true")
	b.kubectl("delete", "pod", "two", "--wait=true", "--timeout=30s")
	if out, err := b.try(10*time.Second, "kubectl", "get", "pod", "two"); err == nil {
		t.Errorf("the deleted pod is there: %s", out)
	}
	b.apply(`
apiVersion: v1
kind: Pod
metadata: {name: crash}
spec:
  containers: [{name: c, image: "busybox:1.37", command: [sh, -c, "exit 3"]}]
`)
	b.want(40*time.Second, "CrashLoopBackOff", "get", "pod", "crash", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.reason}")
	b.want(5*time.Second, "3", "get", "pod", "crash", "-o", "jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}")
	b.apply(`
apiVersion: v1
kind: Pod
metadata: {name: nopull}
spec:
  containers: [{name: c, image: "noriter/nothere:v1"}]
`)
	b.eventually(60*time.Second, "an image that is nowhere", func() error {
		got, err := b.try(10*time.Second, "kubectl", "get", "pod", "nopull", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.reason}")
		if err != nil || (got != "ErrImagePull" && got != "ImagePullBackOff") {
			return fmt.Errorf("%v %q", err, got)
		}
		return nil
	})
	b.kubectl("delete", "pod", "crash", "nopull", "--timeout=60s")
}

func testServices(t *testing.T, b *bed) {
	b.apply(web)
	b.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
	b.apply(`
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {terminationGracePeriodSeconds: 1, containers: [{name: c, image: "busybox:1.37", command: [sleep, "3600"]}]}
`)
	b.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=30s")
	b.eventually(10*time.Second, "the Service answers by name", func() error {
		got, err := b.try(20*time.Second, "kubectl", "exec", "client", "--", "wget", "-qO-", "-T2", "http://web.default.svc.cluster.local/")
		if err != nil || !strings.Contains(got, "web-") {
			return fmt.Errorf("%v %s", err, got)
		}
		return nil
	})
	seen := map[string]bool{}
	pod := regexp.MustCompile(`web-[a-z0-9]+-[a-z0-9]+`)
	for range 30 {
		out := b.kubectl("exec", "client", "--", "wget", "-qO-", "-T2", "http://web/")
		seen[pod.FindString(out)] = true
		if len(seen) == 3 {
			break
		}
	}
	if len(seen) != 3 {
		t.Errorf("30 requests reached only %v of 3 pods", seen)
	}
	for _, node := range []string{"control", "node1", "node2"} {
		addr := b.kubectl("get", "node", node, "-o", "jsonpath={.status.addresses[?(@.type=='InternalIP')].address}")
		b.eventually(10*time.Second, "the node port of "+node, func() error {
			out, err := exec.Command("nsenter", "--net=/run/netns/nori-"+b.name, "curl", "-s", "-m", "3", "http://"+addr+":30080/").CombinedOutput()
			if err != nil || !pod.Match(out) {
				return fmt.Errorf("%v %s", err, out)
			}
			return nil
		})
	}
	// Without endpoints a connection is refused at once and does not hang.
	b.kubectl("scale", "deployment/web", "--replicas=0")
	b.eventually(15*time.Second, "a Service without endpoints refuses", func() error {
		begin := time.Now()
		out, err := b.try(20*time.Second, "kubectl", "exec", "client", "--", "wget", "-qO-", "-T5", "http://web/")
		if err == nil || !strings.Contains(out, "refused") || time.Since(begin) > 4*time.Second {
			return fmt.Errorf("%v after %v: %s", err, time.Since(begin), out)
		}
		return nil
	})
	b.kubectl("delete", "deployment/web", "service/web", "pod/client", "--timeout=60s")
}

func testWorkloads(t *testing.T, b *bed) {
	b.apply(web)
	b.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
	victim := b.kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].metadata.name}")
	b.kubectl("delete", "pod", victim, "--timeout=30s")
	b.kubectl("wait", "--for=jsonpath={.status.readyReplicas}=3", "deployment/web", "--timeout=30s")
	b.kubectl("set", "image", "deployment/web", "hello=noriter/hello:v2")
	b.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
	b.want(5*time.Second, "noriter/hello:v2 noriter/hello:v2 noriter/hello:v2", "get", "pods", "-l", "app=web", "--field-selector=status.phase=Running", "-o", "jsonpath={.items[*].spec.containers[0].image}")
	b.kubectl("rollout", "undo", "deployment/web")
	b.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
	b.apply(`
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: ds}
spec:
  selector: {matchLabels: {app: ds}}
  template:
    metadata: {labels: {app: ds}}
    spec:
      terminationGracePeriodSeconds: 1
      tolerations: [{operator: Exists}]
      containers: [{name: c, image: "busybox:1.37", command: [sleep, "3600"]}]
`)
	b.want(30*time.Second, "3", "get", "daemonset", "ds", "-o", "jsonpath={.status.numberReady}")
	b.kubectl("delete", "deployment/web", "service/web", "daemonset/ds", "--timeout=60s")
	b.want(30*time.Second, "", "get", "pods", "-o", "name")
	b.kubectl("create", "namespace", "gone")
	b.kubectl("-n", "gone", "create", "configmap", "x")
	b.kubectl("delete", "namespace", "gone", "--timeout=30s")
}

func testSecurity(t *testing.T, b *bed) {
	b.kubectl("create", "secret", "generic", "s", "--from-literal=word=open-sesame")
	if out := b.ssh("control", "grep -rc open-sesame /var/lib/etcd | grep -v ':0$' || echo clean"); out != "clean" {
		t.Errorf("a Secret lies in the store unencrypted: %s", out)
	}
	b.kubectl("delete", "secret", "s")
	out := b.ssh("node1", `curl -sk -m 5 https://control:6443/api/v1/nodes || echo "failed $?"`)
	if !strings.Contains(out, "401") {
		t.Errorf("anonymous access: %s", out)
	}
	out = b.ssh("node1", `curl -sk -m 5 -o /dev/null -w '%{http_code}' https://127.0.0.1:10250/pods || true`)
	if out == "200" {
		t.Error("the agent's server answers anybody")
	}
	if out, err := b.try(10*time.Second, "kubectl", "auth", "can-i", "get", "secrets", "--as=system:serviceaccount:default:default"); err == nil {
		t.Errorf("a service account may read Secrets: %s", out)
	}
}

func testSecondUp(t *testing.T, b *bed) {
	b.kubectl("run", "stays", "--image=busybox:1.37", "--command", "--", "sleep", "3600")
	b.kubectl("wait", "--for=condition=Ready", "pod/stays", "--timeout=30s")
	id := b.kubectl("get", "pod", "stays", "-o", "jsonpath={.status.containerStatuses[0].containerID}")
	pid := b.ssh("control", "systemctl show -p MainPID --value nori-apiserver")
	t.Log(b.up())
	if again := b.ssh("control", "systemctl show -p MainPID --value nori-apiserver"); again != pid {
		t.Errorf("a second up restarted the API server (%s, %s)", pid, again)
	}
	b.want(5*time.Second, id, "get", "pod", "stays", "-o", "jsonpath={.status.containerStatuses[0].containerID}")
}

func testAgentRestart(t *testing.T, b *bed) {
	id := b.kubectl("get", "pod", "stays", "-o", "jsonpath={.status.containerStatuses[0].containerID}")
	for _, n := range []string{"node1", "node2"} {
		b.ssh(n, "systemctl restart nori-agent")
	}
	b.ready(30 * time.Second)
	time.Sleep(2 * time.Second)
	b.want(5*time.Second, id+" 0", "get", "pod", "stays", "-o", "jsonpath={.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}")
	b.kubectl("delete", "pod", "stays", "--grace-period=1", "--timeout=30s")
}

func testShell(t *testing.T, b *bed) {
	ctx, cancel := contextFor(30 * time.Second)
	defer cancel()
	c := b.command(ctx, "shell")
	c.Stdin = strings.NewReader("kubectl get nodes -o name\nk get ns default -o name\nexit 4\n")
	out, err := c.CombinedOutput()
	if exitCode(err) != 4 || !strings.Contains(string(out), "node/node2") || !strings.Contains(string(out), "namespace/default") {
		t.Errorf("the shell ended with %v and said %s", err, out)
	}
}

func testSnapshot(t *testing.T, b *bed) {
	b.kubectl("create", "configmap", "before")
	b.nori("snapshot", "save", "mine")
	b.kubectl("create", "configmap", "after")
	if out := b.nori("snapshot", "list"); !strings.Contains(out, "mine") || !strings.Contains(out, "start") {
		t.Errorf("snapshot list: %s", out)
	}
	b.nori("snapshot", "restore", "mine")
	b.kubectl("get", "configmap", "before")
	if out, err := b.try(10*time.Second, "kubectl", "get", "configmap", "after"); err == nil {
		t.Errorf("what came after the snapshot is there: %s", out)
	}
	b.nori("snapshot", "delete", "mine")
	if out, err := b.try(10*time.Second, "snapshot", "restore", "mine"); exitCode(err) != 2 {
		t.Errorf("restoring what is not there: %v %s", err, out)
	}
}

// reboot restarts a machine from inside and returns when its new first process
// is there.
func (b *bed) reboot(node string) {
	b.t.Helper()
	const started = "cut -d' ' -f22 /proc/1/stat"
	before := b.ssh(node, started)
	// The connection may break before the command's status comes back.
	b.try(10*time.Second, "ssh", node, "--", "systemctl reboot")
	b.eventually(60*time.Second, node+" has booted again", func() error {
		out, err := b.try(5*time.Second, "ssh", node, "--", started)
		if err != nil || strings.TrimSpace(out) == before {
			return fmt.Errorf("%v %s", err, out)
		}
		return nil
	})
}

func testWorkerReboot(t *testing.T, b *bed) {
	b.apply(web)
	b.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
	b.reboot("node1")
	b.ready(60 * time.Second)
	b.kubectl("wait", "--for=jsonpath={.status.readyReplicas}=3", "deployment/web", "--timeout=60s")
}

func testControlReboot(t *testing.T, b *bed) {
	b.kubectl("create", "configmap", "kept")
	b.reboot("control")
	b.ready(90 * time.Second)
	b.kubectl("get", "configmap", "kept")
	b.kubectl("wait", "--for=jsonpath={.status.readyReplicas}=3", "deployment/web", "--timeout=60s")
	b.kubectl("scale", "deployment/web", "--replicas=4")
	b.kubectl("wait", "--for=jsonpath={.status.readyReplicas}=4", "deployment/web", "--timeout=60s")
}

func testReset(t *testing.T, b *bed) {
	b.ssh("node1", "rm -rf /usr/bin/containerd /usr/local/bin/nori-node; systemctl stop nori-agent containerd")
	b.ssh("control", "systemctl stop nori-etcd")
	begin := time.Now()
	b.nori("reset")
	t.Logf("reset took %v", time.Since(begin))
	b.ready(10 * time.Second)
	if out := b.kubectl("get", "deployments", "-o", "name"); out != "" {
		t.Errorf("after the reset there is %s", out)
	}
	b.kubectl("run", "works", "--image=busybox:1.37", "--command", "--", "sleep", "60")
	b.kubectl("wait", "--for=condition=Ready", "pod/works", "--timeout=30s")
}

// collector reads the log of every container of its node, but for its own.
const collector = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: collector}
spec:
  selector: {matchLabels: {app: collector}}
  template:
    metadata: {labels: {app: collector}}
    spec:
      terminationGracePeriodSeconds: 1
      tolerations: [{key: node-role.kubernetes.io/control-plane, operator: Exists, effect: NoSchedule}]
      volumes: [{name: logs, hostPath: {path: /var/log, type: Directory}}]
      containers:
      - name: c
        image: busybox:1.37
        command: [sh, -c, "while sleep 1; do for f in /var/log/containers/*.log; do case $f in *collector*) ;; *) head -n 1 $f;; esac; done; done"]
        volumeMounts: [{name: logs, mountPath: /var/log, readOnly: true}]
`

func testLogCollector(t *testing.T, b *bed) {
	b.apply(collector)
	b.want(30*time.Second, "3 3", "get", "daemonset", "collector", "-o", "jsonpath={.status.desiredNumberScheduled} {.status.numberReady}")
	for _, node := range []string{"node1", "node2"} {
		b.kubectl("run", "talks-"+node, "--image=busybox:1.37", "--overrides", `{"spec":{"nodeName":"`+node+`","terminationGracePeriodSeconds":1}}`,
			"--command", "--", "sh", "-c", "echo hello-from-"+node+"; sleep 3600")
		b.eventually(30*time.Second, "the log of a container on "+node, func() error {
			pod := b.kubectl("get", "pods", "-l", "app=collector", "--field-selector", "spec.nodeName="+node, "-o", "name")
			out, err := b.try(10*time.Second, "kubectl", "logs", pod)
			if err != nil || !strings.Contains(out, " stdout F hello-from-"+node) {
				return fmt.Errorf("%v %s", err, out)
			}
			return nil
		})
	}
	b.kubectl("delete", "pod", "talks-node1", "talks-node2", "--timeout=30s")
}

// testMembers has a worker join, survive a reset and leave, with a DaemonSet that
// follows.
func testMembers(t *testing.T, b *bed) {
	nodes := func(want string) {
		t.Helper()
		b.want(15*time.Second, want, "get", "nodes", "-o", "jsonpath={.items[*].metadata.name}")
	}
	// The worker that leaves is the one whose CoreDNS the snapshot brings back.
	b.nori("--plain", "reset")
	b.kubectl("cordon", "control", "node2")
	b.kubectl("delete", "pod", "-n", "kube-system", "-l", "k8s-app=kube-dns")
	b.want(30*time.Second, "node1 True", "get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-dns",
		"-o", `jsonpath={.items[*].spec.nodeName} {.items[*].status.conditions[?(@.type=="Ready")].status}`)
	b.kubectl("uncordon", "control", "node2")
	b.nori("--plain", "snapshot", "save", "dns-on-node1")
	b.apply(collector)
	t.Log(b.nori("--plain", "node", "add"))
	b.ready(10 * time.Second)
	nodes("control node1 node2 node3")
	b.want(30*time.Second, "4 4", "get", "daemonset", "collector", "-o", "jsonpath={.status.desiredNumberScheduled} {.status.numberReady}")
	if out := b.ssh("node1", "getent hosts node3"); !strings.Contains(out, "node3") {
		t.Errorf("node1 does not know node3: %q", out)
	}
	t.Log(b.nori("--plain", "node", "remove", "node1"))
	nodes("control node2 node3")
	b.want(30*time.Second, "3 3", "get", "daemonset", "collector", "-o", "jsonpath={.status.desiredNumberScheduled} {.status.numberReady}")
	t.Log(b.nori("--plain", "snapshot", "restore", "dns-on-node1"))
	b.ready(10 * time.Second)
	nodes("control node2 node3")
	b.want(5*time.Second, "", "get", "daemonsets", "-o", "name")
	b.kubectl("run", "works", "--image=busybox:1.37", "--overrides", `{"spec":{"nodeName":"node3"}}`, "--command", "--", "sleep", "60")
	b.kubectl("wait", "--for=condition=Ready", "pod/works", "--timeout=30s")
	b.nori("--plain", "up", "--nodes", "3")
	nodes("control node1 node2 node3")
	for _, args := range [][]string{{"up", "--nodes", "1"}, {"node", "add", "node3"}, {"node", "add", "web"}, {"node", "remove", "control"}, {"node", "remove", "node7"}} {
		if out, err := b.try(time.Minute, args...); exitCode(err) != 2 {
			t.Errorf("nori %v: %v %s", args, err, out)
		}
	}
}

// TestUsage holds bad input to exit code 2 and a text that says what, where
// and how to mend it.
func TestUsage(t *testing.T) {
	b := newBed(t, "usage")
	file := filepath.Join(t.TempDir(), "testbed.yaml")
	if err := os.WriteFile(file, []byte("name: x\nnods: 3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{`testbed.yaml:2:1: unknown field "nods" (did you mean "nodes"?)`, []string{"up", "-f", file}},
		{"nodes: 10 is not between 1 and 9", []string{"up", "--nodes", "10"}},
		{`did you mean "nspawn"?`, []string{"up", "--driver", "nspwan"}},
		{"there is no flag --frobnicate", []string{"up", "--frobnicate"}},
		{"nori up", []string{"status"}},
		{"", []string{"snapshot", "save"}},
		{"--yes writes it", []string{"report"}},
		{"is there already", []string{"report", "--yes", "-o", file}},
		{"--lines", []string{"report", "--lines", "0"}},
	} {
		out, err := b.try(time.Minute, c.args...)
		if code := exitCode(err); code != 2 && c.args[0] != "status" {
			t.Errorf("nori %v ended with %d: %s", c.args, code, out)
		}
		if !strings.Contains(out, c.want) {
			t.Errorf("nori %v said %q, want %q", c.args, out, c.want)
		}
	}
}
