package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

const ingressWorld = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: web, image: "noriter/hello:v1", readinessProbe: {httpGet: {path: /readyz, port: 8080}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
  - host: shop.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: safe}
spec:
  tls: [{hosts: [safe.test]}]
  rules:
  - host: safe.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: wrong, annotations: {nginx.ingress.kubernetes.io/use-regex: "true"}}
spec:
  rules:
  - host: wrong.test
    http: {paths: [{path: "/(", pathType: ImplementationSpecific, backend: {service: {name: web, port: {number: 80}}}}]}
`

// TestIngress looks at the controller from outside: an address in the status,
// ready endpoints only, one bad Ingress that harms nobody else, `nori open`, and a
// reset that brings the controller back.
func TestIngress(t *testing.T) {
	b := newBed(t, "e2e-ingress", "--driver", "nspawn", "--nodes", "1")
	b.up()
	b.apply(ingressWorld)
	node := "10.77.0.11"
	if s, err := b.status(); err == nil && len(s.Machines) == 2 {
		node = s.Machines[1].Address
	}
	curl := func(args string) string {
		out, err := b.try(20*time.Second, "ssh", "control", "--", "curl -sk --max-time 5 -o /dev/null -w '%{http_code} %{redirect_url}' "+strings.ReplaceAll(args, "NODE", node))
		if err != nil {
			return err.Error() + out
		}
		return strings.TrimSpace(out)
	}
	answers := func(limit time.Duration, want, args string) {
		t.Helper()
		b.eventually(limit, "curl "+args, func() error {
			if got := curl(args); got != want {
				return fmt.Errorf("got %q, want %q", got, want)
			}
			return nil
		})
	}
	b.want(time.Minute, node, "get", "ingress", "web", "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}")
	answers(30*time.Second, "200", "-H 'Host: shop.test' http://NODE/")
	answers(10*time.Second, "308 https://safe.test/x", "-H 'Host: safe.test' http://NODE/x")
	answers(10*time.Second, "200", "--resolve safe.test:443:NODE https://safe.test/x")
	answers(10*time.Second, "404", "-H 'Host: wrong.test' http://NODE/")
	b.eventually(30*time.Second, "the bad Ingress has an event", func() error {
		if out := b.kubectl("describe", "ingress", "wrong"); !strings.Contains(out, "RELOAD") || !strings.Contains(out, "missing closing parenthesis") {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	opened := b.open(t, "ing/web")
	if body := httpGet(t, opened); !strings.HasPrefix(body, "Hello from web-") {
		t.Errorf("nori open ing/web leads to %q", body)
	}
	opened = b.open(t, "svc/web")
	if body := httpGet(t, opened); !strings.HasPrefix(body, "Hello from web-") {
		t.Errorf("nori open svc/web leads to %q", body)
	}
	b.kubectl("scale", "deployment", "web", "--replicas=0")
	answers(30*time.Second, "503", "-H 'Host: shop.test' http://NODE/")
	b.nori("--plain", "reset")
	answers(90*time.Second, "404", "-H 'Host: shop.test' http://NODE/")
}

// open runs `nori open`, outside of the testbed's network, until the test ends
// and gives the URL that it prints.
func (b *bed) open(t *testing.T, what string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := b.command(ctx, "open", what, "-n", "default")
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := c.Wait(); err != nil && ctx.Err() == nil {
			t.Errorf("nori open %s: %v", what, err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("nori open %s printed %q: %v", what, line, err)
	}
	return strings.TrimSpace(line)
}

func httpGet(t *testing.T, url string) string {
	t.Helper()
	answer, err := (&http.Client{Timeout: 20 * time.Second}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
