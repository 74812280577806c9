package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The benchmarks measure what a learner waits for. They need real machines, as
// the tests here do:
//
//	NORI_E2E=1 go test ./testbed/e2e -run '^$' -bench . -benchtime 1x -timeout 60m
//
// Machines are noisy: compare the ratios, not the figures of two days.

// repeats is how often a thing is done whose median is given.
const repeats = 5

func median(d []float64) float64 { return quantile(d, 0.5) }

// quantile sorts a copy; with few values it is the nearest one.
func quantile(d []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(d))
	return s[min(int(q*float64(len(s))), len(s)-1)]
}

func seconds(f func()) float64 {
	begin := time.Now()
	f()
	return time.Since(begin).Seconds()
}

// BenchmarkUpAndReset: a ready cluster from nothing, and back to its beginning.
func BenchmarkUpAndReset(b *testing.B) {
	for range b.N {
		var ups, resets []float64
		for range repeats {
			bed := newBed(b, "bench", "--driver", "nspawn", "--nodes", "2")
			ups = append(ups, seconds(func() { bed.up() }))
			resets = append(resets, seconds(func() { bed.nori("--plain", "reset") }))
			bed.nori("down")
		}
		b.ReportMetric(median(ups), "s/up")
		b.ReportMetric(median(resets), "s/reset")
	}
}

// BenchmarkPodStart: from `kubectl apply` to Running, the image being there.
func BenchmarkPodStart(b *testing.B) {
	bed := newBed(b, "bench", "--driver", "nspawn", "--nodes", "2")
	bed.up()
	for range b.N {
		var took []float64
		for i := range 50 {
			name := fmt.Sprintf("p%d", i)
			path := filepath.Join(b.TempDir(), "pod.yaml")
			manifest := fmt.Sprintf(`{apiVersion: v1, kind: Pod, metadata: {name: %s}, spec: {terminationGracePeriodSeconds: 0, containers: [{name: c, image: "noriter/hello:v1"}]}}`, name)
			if err := os.WriteFile(path, []byte(manifest), 0o600); err != nil {
				b.Fatal(err)
			}
			took = append(took, seconds(func() {
				bed.kubectl("apply", "-f", path)
				bed.kubectl("wait", "--for=jsonpath={.status.phase}=Running", "pod/"+name, "--timeout=60s")
			}))
			bed.kubectl("delete", "pod", name, "--wait=false")
		}
		b.ReportMetric(median(took), "s/pod")
		b.ReportMetric(quantile(took, 0.99), "s/pod-p99")
	}
}

// BenchmarkLab: the solution of every lab, step by step: how soon a step turns
// green after the last command of its solution, and how long the lab's own
// reset takes.
func BenchmarkLab(b *testing.B) {
	bed := newBed(b, "bench", "--driver", "nspawn", "--nodes", "2")
	bed.up()
	for range b.N {
		var green []float64
		ctx, cancel := contextFor(40 * time.Minute)
		out, err := bed.command(ctx, "lab", "prove", "--all", "-j", "1", "-o", "json").Output()
		cancel()
		if err != nil {
			b.Fatalf("nori lab prove: %v", err)
		}
		var ways []struct{ Green map[string]float64 }
		if err := json.Unmarshal(out, &ways); err != nil {
			b.Fatalf("reading the proof: %v", err)
		}
		for _, w := range ways {
			for _, s := range w.Green {
				green = append(green, s)
			}
		}
		b.ReportMetric(median(green), "s/green")
		b.ReportMetric(quantile(green, 0.99), "s/green-p99")
		b.ReportMetric(float64(len(green)), "steps")
	}
}

// BenchmarkWays: requests in a second through ClusterIP, node port and ingress,
// as shares of what the pod's own address gives. The client runs on the control
// node, the pod on a worker, and every request is a connection of its own. The
// bursts are short: the kernel keeps a rewritten connection in mind for two minutes
// after its end, and when most of the 64,512 source ports towards one pod are taken,
// what is measured is its search for a free one.
func BenchmarkWays(b *testing.B) {
	bed := newBed(b, "bench", "--driver", "nspawn", "--nodes", "2")
	bed.up()
	bed.apply(web)
	bed.apply(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  ingressClassName: nginx
  rules:
  - host: web.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
`)
	bed.kubectl("scale", "deployment/web", "--replicas=1")
	bed.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
	bed.uploadLoad()
	get := func(args ...string) string { return bed.kubectl(append([]string{"get"}, args...)...) }
	pod := get("pods", "-l", "app=web", "--field-selector=status.phase=Running", "-o", "jsonpath={.items[0].status.podIP}")
	service := get("service", "web", "-o", "jsonpath={.spec.clusterIP}")
	node := get("node", "node1", "-o", "jsonpath={.status.addresses[?(@.type=='InternalIP')].address}")
	var ingress string
	bed.eventually(time.Minute, "the ingress has an address", func() error {
		if ingress = get("ingress", "web", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}"); ingress == "" {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	ways := []struct{ name, args string }{
		{"pod", "http://" + pod + ":8080/"},
		{"clusterip", "http://" + service + "/"},
		{"nodeport", "http://" + node + ":30080/"},
		{"ingress", "-host web.test http://" + ingress + "/"},
	}
	for range b.N {
		rates := map[string][]float64{}
		for range repeats {
			for _, w := range ways {
				rate, err := strconv.ParseFloat(bed.ssh("control", "/tmp/load -for 500ms "+w.args), 64)
				if err != nil {
					b.Fatalf("%s: %v", w.name, err)
				}
				rates[w.name] = append(rates[w.name], rate)
			}
		}
		base := median(rates["pod"])
		b.ReportMetric(base, "pod-req/s")
		for _, w := range ways[1:] {
			b.ReportMetric(median(rates[w.name])/base, w.name+"/pod")
		}
	}
}

// uploadLoad builds the load program and puts it on the control node.
func (b *bed) uploadLoad() {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "load")
	build := exec.Command("go", "build", "-o", path, "./load")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.t.Fatalf("building the load program: %v\n%s", err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := contextFor(time.Minute)
	defer cancel()
	c := b.command(ctx, "ssh", "control", "--", "cat > /tmp/load && chmod +x /tmp/load")
	c.Stdin = bytes.NewReader(data)
	if out, err := c.CombinedOutput(); err != nil {
		b.t.Fatalf("uploading the load program: %v\n%s", err, strings.TrimSpace(string(out)))
	}
}
