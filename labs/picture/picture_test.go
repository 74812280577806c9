package picture_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/labtest"
	"noriter.dev/noriter/labs/picture"
)

const ns = "lab"

// waiting makes a pod whose container waits for a reason.
func waiting(name, reason, message string, labels ...string) *unstructured.Unstructured {
	p := labtest.Pod(ns, name, labels...)
	labtest.With(p, "status.phase", "Pending")
	labtest.With(p, "status.conditions", []any{map[string]any{"type": "Ready", "status": "False"}})
	return labtest.With(p, "status.containerStatuses", []any{map[string]any{"name": name, "ready": false, "restartCount": int64(0),
		"state": map[string]any{"waiting": map[string]any{"reason": reason, "message": message}}}})
}

func node(name, address string, more map[string]any) *unstructured.Unstructured {
	n := labtest.Object("v1", "Node", "", name, map[string]any{"spec": map[string]any{}, "status": map[string]any{
		"conditions": []any{map[string]any{"type": "Ready", "status": "True"}},
		"addresses":  []any{map[string]any{"type": "InternalIP", "address": address}}}})
	for k, v := range more {
		labtest.With(n, k, v)
	}
	return n
}

func control() *unstructured.Unstructured {
	n := node("control", "10.77.0.10", map[string]any{"spec.taints": []any{map[string]any{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}}})
	n.SetLabels(map[string]string{"node-role.kubernetes.io/control-plane": ""})
	return n
}

func slice(service, pod string, ready bool, port int64) *unstructured.Unstructured {
	s := labtest.Object("discovery.k8s.io/v1", "EndpointSlice", ns, service+"-"+pod, map[string]any{
		"ports": []any{map[string]any{"port": port}},
		"endpoints": []any{map[string]any{"addresses": []any{"10.244.1.5"}, "nodeName": "node1",
			"conditions": map[string]any{"ready": ready}, "targetRef": map[string]any{"name": pod}}}})
	s.SetLabels(map[string]string{"kubernetes.io/service-name": service})
	return s
}

func service(name, selector string, nodePort int64) *unstructured.Unstructured {
	port := map[string]any{"port": int64(80), "targetPort": int64(8080)}
	kind := "ClusterIP"
	if nodePort > 0 {
		port["nodePort"], kind = nodePort, "NodePort"
	}
	return labtest.Object("v1", "Service", ns, name, map[string]any{"spec": map[string]any{"type": kind, "clusterIP": "10.96.3.4",
		"selector": map[string]any{"app": selector}, "ports": []any{port}}})
}

func draw(t *testing.T, kind, name string, objects ...*unstructured.Unstructured) []string {
	t.Helper()
	return drawOf(t, kind, picture.Of{Name: name}, objects...)
}

func drawOf(t *testing.T, kind string, of picture.Of, objects ...*unstructured.Unstructured) []string {
	t.Helper()
	w := labtest.NewWorld(t.TempDir())
	w.Drop(labtest.Object("v1", "Node", "", "node1", nil))
	for _, o := range objects {
		w.Put(o)
	}
	s, err := picture.Gather(context.Background(), w.Cluster, ns, kind, of)
	if err != nil {
		t.Fatal(err)
	}
	s.Now = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	return s.Draw()
}

// TestRulesOfAHost: with a host, the rules for it are drawn, whatever they lead to, and no others.
func TestRulesOfAHost(t *testing.T) {
	rule := func(host, service string) any {
		return map[string]any{"host": host, "http": map[string]any{"paths": []any{map[string]any{
			"path": "/", "backend": map[string]any{"service": map[string]any{"name": service, "port": map[string]any{"number": int64(80)}}}}}}}
	}
	ingress := func(name string, rules ...any) *unstructured.Unstructured {
		return labtest.Object("networking.k8s.io/v1", "Ingress", ns, name, map[string]any{"spec": map[string]any{"rules": rules}})
	}
	lines := drawOf(t, format.PictureRequest, picture.Of{Name: "web", Host: "web.test"}, service("web", "web", 0),
		ingress("sale", rule("sale.test", "web")), ingress("mine", rule("web.test", "blog"), rule("old.test", "web")))
	got := strings.Join(lines, "\n")
	if !strings.Contains(got, "Ingress mine") || !strings.Contains(got, "-> blog:80") || strings.Contains(got, "sale") || strings.Contains(got, "old.test") {
		t.Errorf("got:\n%s", got)
	}
}

func TestPictures(t *testing.T) {
	web := labtest.Pod(ns, "web-1", "app=web")
	ds := labtest.Object("apps/v1", "DaemonSet", ns, "logs", map[string]any{
		"spec":   map[string]any{"template": map[string]any{"spec": map[string]any{"nodeSelector": map[string]any{"disk": "ssd"}}}},
		"status": map[string]any{"numberReady": int64(1), "desiredNumberScheduled": int64(2)}})
	ssd := node("node1", "10.77.0.11", nil)
	ssd.SetLabels(map[string]string{"disk": "ssd"})
	ssdControl := control()
	ssdControl.SetLabels(map[string]string{"disk": "ssd"})
	failed := labtest.Object("v1", "Event", ns, "e1", map[string]any{"reason": "Failed", "count": int64(3), "lastTimestamp": "2026-01-01T11:59:40Z",
		"message":        "Failed to pull image \"noriter/hello:v9\": no such tag",
		"involvedObject": map[string]any{"kind": "Pod", "name": "bad", "uid": "uid-bad", "fieldPath": "spec.containers{bad}"}})
	over := failed.DeepCopy()
	over.Object["count"] = int64(1)
	crash := waiting("crash", "CrashLoopBackOff", "back-off 40s restarting failed container=crash pod=crash_lab(uid)")
	list, _, _ := unstructured.NestedSlice(crash.Object, "status", "containerStatuses")
	list[0].(map[string]any)["lastState"] = map[string]any{"terminated": map[string]any{"finishedAt": "2026-01-01T11:59:50Z"}}
	labtest.With(crash, "status.containerStatuses", list)
	ingress := labtest.Object("networking.k8s.io/v1", "Ingress", ns, "shop", map[string]any{
		"spec": map[string]any{"rules": []any{map[string]any{"host": "shop.test", "http": map[string]any{"paths": []any{map[string]any{
			"path": "/cart", "backend": map[string]any{"service": map[string]any{"name": "web", "port": map[string]any{"number": int64(80)}}}}}}}}},
		"status": map[string]any{"loadBalancer": map[string]any{"ingress": []any{map[string]any{"ip": "10.77.0.11"}}}}})
	pending := waiting("late", "", "")
	labtest.With(pending, "spec.nodeName", "")
	labtest.With(pending, "status.containerStatuses", []any{})
	for _, c := range []struct {
		name, kind, of string
		world          []*unstructured.Unstructured
		want           string
	}{
		{"pods", format.PicturePods, "", []*unstructured.Unstructured{control(), node("node1", "10.77.0.11", nil), web, waiting("bad", "ImagePullBackOff", ""), pending}, `
+- control  10.77.0.10 ------------------------------------+
+- node1  10.77.0.11 --------------------------------------+
| bad                   0/1 ImagePullBackOff 10.244.1.5    |
| web-1                 1/1 Running          10.244.1.5    |
+----------------------------------------------------------+
+- on no node yet -----------------------------------------+
| late                  0/1 Pending          10.244.1.5    |
+----------------------------------------------------------+`},
		{"node port", format.PictureRequest, "", []*unstructured.Unstructured{control(), node("node1", "10.77.0.11", nil), web, service("web", "web", 30080), slice("web", "web-1", true, 8080)}, `
browser
  |  http://10.77.0.11:30080/
  v
node port 30080, on every node
  |
Service web  10.96.3.4
  |  port 80 -> targetPort 8080
  |  selector app=web
  v
[v] web-1                  node1    10.244.1.5:8080`},
		{"no endpoints", format.PictureRequest, "web", []*unstructured.Unstructured{node("node1", "10.77.0.11", nil), web, service("web", "webb", 0), service("other", "x", 0)}, `
inside the cluster
  |
Service web  10.96.3.4
  |  port 80 -> targetPort 8080
  |  selector app=webb
  v
[x] no pod has these labels: no endpoints`},
		{"no selector", format.PictureRequest, "web", []*unstructured.Unstructured{web, labtest.With(service("web", "web", 0), "spec.selector", map[string]any{})}, `
inside the cluster
  |
Service web  10.96.3.4
  |  port 80 -> targetPort 8080
  |  selector (none)
  v
[x] it looks for no pods: no endpoints`},
		{"no service", format.PictureRequest, "", []*unstructured.Unstructured{node("node1", "10.77.0.11", nil), web}, `
no Service
  ?
  v
[ ] web-1                  node1    10.244.1.5`},
		{"not ready", format.PictureRequest, "", []*unstructured.Unstructured{waiting("web-1", "ImagePullBackOff", "", "app=web"), service("web", "web", 0), slice("web", "web-1", false, 8080)}, `
inside the cluster
  |
Service web  10.96.3.4
  |  port 80 -> targetPort 8080
  |  selector app=web
  v
[ ] web-1                  node1    ImagePullBackOff, not r~`},
		{"ingress", format.PictureRequest, "web", []*unstructured.Unstructured{ingress}, `
browser
  |  http://10.77.0.11/
  v
Ingress shop
  shop.test/cart                     -> web:80
no Service web
  ?
  v
(no pods)`},
		{"daemons", format.PictureDaemons, "", []*unstructured.Unstructured{ssdControl, ssd, node("node2", "10.77.0.12", nil), ds, labtest.Owned(labtest.Pod(ns, "logs-x"), "DaemonSet", "logs")}, `
+- DaemonSet logs: 1 of 2 ready ---------------------------+
| control   -- untolerated taint control-plane:NoSchedule  |
| node1     logs-x               Running           v1      |
| node2     -- no label disk=ssd                           |
+----------------------------------------------------------+`},
		{"no daemons", format.PictureDaemons, "", []*unstructured.Unstructured{node("node2", "10.77.0.12", nil)}, `
+- no DaemonSet yet ---------------------------------------+
| node2                                                    |
+----------------------------------------------------------+`},
		{"images", format.PictureImages, "", []*unstructured.Unstructured{web, waiting("bad", "ImagePullBackOff", ""), failed, crash}, `
+- images -------------------------------------------------+
| bad                                    node1             |
|   noriter/hello:v1                                       |
|     ImagePullBackOff: next try in about 20s              |
| crash                                  node1             |
|   noriter/hello:v1                                       |
|     CrashLoopBackOff: next try in about 30s              |
| web-1                                  node1             |
|   noriter/hello:v1                                       |
|     Running, ready                                       |
+----------------------------------------------------------+`},
		{"images, the pause over", format.PictureImages, "", []*unstructured.Unstructured{waiting("bad", "ImagePullBackOff", ""), over}, `
+- images -------------------------------------------------+
| bad                                    node1             |
|   noriter/hello:v1                                       |
|     ImagePullBackOff: trying again in a moment           |
+----------------------------------------------------------+`},
	} {
		t.Run(c.name, func(t *testing.T) {
			lang.Set("en")
			if got := "\n" + strings.Join(draw(t, c.kind, c.of, c.world...), "\n"); got != c.want {
				t.Errorf("got:%s\nwant:%s", got, c.want)
			}
			lang.Set("ko")
			defer lang.Set("en")
			for _, l := range draw(t, c.kind, c.of, c.world...) {
				if w := runewidth.StringWidth(l); w > picture.Width {
					t.Errorf("%d columns: %s", w, l)
				}
			}
		})
	}
}
