package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func testConfig(t *testing.T, env map[string]string) config {
	t.Helper()
	c, err := readConfig(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func request(a *app, method, path, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

func TestSaysWhoAnswered(t *testing.T) {
	var log bytes.Buffer
	a := newApp(testConfig(t, map[string]string{"POD_NAME": "web-1", "NODE_NAME": "node2", "VERSION": "v2", "MESSAGE": "<hi>"}), &log)
	if got, want := request(a, "GET", "/", "*/*").Body.String(), "<hi> from web-1 on node2 (version v2)\n"; got != want {
		t.Errorf("text: %q, want %q", got, want)
	}
	var v answer
	if err := json.Unmarshal(request(a, "GET", "/x?format=json", "").Body.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	if v.Pod != "web-1" || v.Node != "node2" || v.Version != "v2" || v.Path != "/x" || v.Request != 2 {
		t.Errorf("JSON: %+v", v)
	}
	if page := request(a, "GET", "/", "text/html").Body.String(); !strings.Contains(page, "&lt;hi&gt;") || strings.Contains(page, "<hi>") {
		t.Errorf("the page is not escaped: %s", page)
	}
	if lines := strings.Count(log.String(), "\n"); lines != 3 || !strings.Contains(log.String(), `GET "/x?format=json" 200 from`) {
		t.Errorf("the log is\n%s", log.String())
	}
}

func TestProbesCanBeFlipped(t *testing.T) {
	a := newApp(testConfig(t, nil), io.Discard)
	for _, step := range []struct {
		method, path string
		code         int
	}{
		{"GET", "/healthz", 200}, {"GET", "/readyz", 200},
		{"POST", "/readyz/fail", 200}, {"GET", "/readyz", 503}, {"GET", "/healthz", 200},
		{"POST", "/healthz/fail", 200}, {"GET", "/healthz", 503},
		{"POST", "/readyz/ok", 200}, {"POST", "/healthz/ok", 200}, {"GET", "/readyz", 200}, {"GET", "/healthz", 200},
		{"GET", "/status/418", 418}, {"GET", "/status/99", 400}, {"GET", "/status/x", 400},
		{"GET", "/delay/1ms", 200}, {"GET", "/delay/1h", 400}, {"GET", "/delay/soon", 400},
		{"POST", "/exit/300", 400},
	} {
		if got := request(a, step.method, step.path, "").Code; got != step.code {
			t.Errorf("%s %s: %d, want %d", step.method, step.path, got, step.code)
		}
	}
}

func TestReadyAfterItsDelay(t *testing.T) {
	a := newApp(testConfig(t, map[string]string{"READY_DELAY": "1h"}), io.Discard)
	if w := request(a, "GET", "/readyz", ""); w.Code != 503 || !strings.Contains(w.Body.String(), "ready in") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	a.started = time.Now().Add(-2 * time.Hour)
	if w := request(a, "GET", "/readyz", ""); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestEnvironmentHidesSecrets(t *testing.T) {
	t.Setenv("DB_PASSWORD", "hunter2")
	t.Setenv("GREETING", "hello")
	got := request(newApp(testConfig(t, nil), io.Discard), "GET", "/env", "").Body.String()
	if strings.Contains(got, "hunter2") || !strings.Contains(got, "DB_PASSWORD=(7 bytes, not shown)") || !strings.Contains(got, "GREETING=hello") {
		t.Errorf("got\n%s", got)
	}
}

func TestBadDurationsAreNamed(t *testing.T) {
	for _, name := range []string{"START_DELAY", "READY_DELAY", "STOP_DELAY"} {
		for _, value := range []string{"5", "-1s", "soon"} {
			_, err := readConfig(func(n string) string { return map[string]string{name: value}[n] })
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
	}
}

// TestStopsGracefully: a request under way when the pod is told to stop is answered.
func TestStopsGracefully(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := newApp(testConfig(t, map[string]string{"STOP_DELAY": "100ms"}), io.Discard)
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- serve(ctx, a, listener) }()

	answered := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + listener.Addr().String() + "/delay/300ms")
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		answered <- fmt.Sprint(resp.StatusCode)
	}()
	for a.requests.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	stop()
	if got := <-answered; got != "200" {
		t.Errorf("the request under way got %s", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if a.notReady() != "stopping" {
		t.Errorf("readiness says %q while stopping", a.notReady())
	}
}
