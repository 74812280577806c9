package prober

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/record"
	criclient "k8s.io/cri-client/pkg"

	"noriter.dev/noriter/cluster/agent/runtime/fake"
)

// commands answers exec probes by the first word.
type commands map[string]error

func (c commands) ExecSync(_ context.Context, _ string, command []string, _ time.Duration) (stdout, stderr []byte, err error) {
	return []byte(strings.Join(command[1:], " ")), []byte("!"), c[command[0]]
}

func TestHandlers(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ok" {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer server.Close()
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(address.Port())
	if err != nil {
		t.Fatal(err)
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	deaf := intstr.FromInt(closed.Addr().(*net.TCPAddr).Port)
	closed.Close()

	exec := func(command ...string) v1.ProbeHandler {
		return v1.ProbeHandler{Exec: &v1.ExecAction{Command: command}}
	}
	get := func(port intstr.IntOrString, path string) v1.ProbeHandler {
		return v1.ProbeHandler{HTTPGet: &v1.HTTPGetAction{Port: port, Path: path}}
	}
	for _, tc := range []struct {
		name    string
		handler v1.ProbeHandler
		want    Result
		event   string // what it begins with
	}{
		{"http", get(intstr.FromInt(port), "/ok"), Success, ""},
		{"http by the port's name", get(intstr.FromString("web"), "/ok"), Success, ""},
		{"http status", get(intstr.FromInt(port), "/x"), Failure, "Warning Unhealthy Readiness probe failed: HTTP probe failed with statuscode: 418"},
		{"http refused", get(deaf, "/ok"), Failure, "Warning Unhealthy Readiness probe failed: Get "},
		{"http without the port", get(intstr.FromString("nope"), "/ok"), Unknown, "Warning Unhealthy Readiness probe errored and resulted in unknown state: "},
		{"tcp", v1.ProbeHandler{TCPSocket: &v1.TCPSocketAction{Port: intstr.FromInt(port)}}, Success, ""},
		{"tcp refused", v1.ProbeHandler{TCPSocket: &v1.TCPSocketAction{Port: deaf}}, Failure, "Warning Unhealthy Readiness probe failed: dial tcp "},
		{"exec", exec("ok"), Success, ""},
		{"exec with a variable", exec("fail", "$(X)"), Failure, "Warning Unhealthy Readiness probe failed: value!"},
		{"exec too slow", exec("slow"), Failure, "Warning Unhealthy Readiness probe failed: command timed out"},
		{"exec impossible", exec("broken"), Unknown, "Warning Unhealthy Readiness probe errored and resulted in unknown state: no shim"},
		{"nothing", v1.ProbeHandler{}, Unknown, "Warning Unhealthy Readiness probe errored and resulted in unknown state: missing probe handler"},
	} {
		events := record.NewFakeRecorder(5)
		p := newProber(commands{"fail": fake.ExitError(1), "slow": criclient.ErrCommandTimedOut, "broken": errors.New("no shim")}, events)
		c := &v1.Container{Name: "main", Env: []v1.EnvVar{{Name: "X", Value: "value"}}, Ports: []v1.ContainerPort{{Name: "web", ContainerPort: int32(port)}}}
		pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: v1.PodSpec{Containers: []v1.Container{*c}}}
		spec := &v1.Probe{ProbeHandler: tc.handler, TimeoutSeconds: 1}
		if got := p.probe(t.Context(), Readiness, spec, pod, &v1.PodStatus{PodIP: "127.0.0.1"}, c, "id"); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
		event := ""
		select {
		case event = <-events.Events:
		default:
		}
		if !strings.HasPrefix(event, tc.event) || tc.event == "" && event != "" {
			t.Errorf("%s: event %q, want %q", tc.name, event, tc.event)
		}
	}
}

func TestResultsAreOfOneInstance(t *testing.T) {
	r := newResults()
	if !r.set("a", Liveness, Failure) || r.set("a", Liveness, Failure) || !r.set("a", Liveness, Success) {
		t.Error("set tells wrongly what changed")
	}
	if _, known := r.get("b", Liveness); known {
		t.Error("another instance has a verdict already")
	}
	r.remove("a", Liveness)
	if _, known := r.get("a", Liveness); known || len(r.byID) != 0 {
		t.Error("not removed")
	}
}
