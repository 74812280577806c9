package server

import (
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
	stats "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
	clocktesting "k8s.io/utils/clock/testing"

	"noriter.dev/noriter/cluster/component/fakeapi"
)

func (b *bench) get(t *testing.T, cert *tls.Certificate, token, path string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := webClient(cert).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, strings.TrimSpace(string(body))
}

// reviewer lets "reader" do what allowed names, and knows one token.
func (b *bench) reviewer(allowed ...string) *int {
	asked := 0
	b.client.PrependReactor("create", "subjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		asked++
		r := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SubjectAccessReview).DeepCopy()
		at := r.Spec.ResourceAttributes
		if r.Spec.User == "broken" {
			return true, nil, errors.New("down")
		}
		r.Status.Allowed = r.Spec.User == "reader" && at.Resource == "nodes" && at.Name == "node1" && slices.Contains(allowed, at.Verb+" "+at.Subresource)
		return true, r, nil
	})
	b.client.PrependReactor("create", "tokenreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		r := a.(clienttesting.CreateAction).GetObject().(*authenticationv1.TokenReview).DeepCopy()
		r.Status.Authenticated = r.Spec.Token == "good"
		r.Status.User.Username = "reader"
		return true, r, nil
	})
	return &asked
}

func TestWhoMayAsk(t *testing.T) {
	b := newBench(t)
	asked := b.reviewer("get stats", "get pods")
	reader := b.ca.client("reader", x509.ExtKeyUsageClientAuth, "people")
	for _, c := range []struct {
		name, token, path string
		cert              *tls.Certificate
		status            int
		text              string
	}{
		{"anonymous", "", "/pods", nil, 401, "Unauthorized"},
		{"anonymous healthz", "", "/healthz", nil, 401, "Unauthorized"},
		{"another authority", "", "/pods", newAuthority(t).admin(), 401, "Unauthorized"},
		{"a server's certificate", "", "/pods", b.ca.client("kube-apiserver", x509.ExtKeyUsageServerAuth, masters), 401, "Unauthorized"},
		{"master", "", "/healthz", b.ca.admin(), 200, "ok"},
		{"reader of pods", "", "/pods", reader, 200, `"kind":"PodList"`},
		{"reader of stats", "", "/stats/summary", reader, 200, `"nodeName":"node1"`},
		{"reader of logs", "", "/containerLogs/default/web/main", reader, 403, "Forbidden (user=reader, verb=get, resource=nodes, subresource(s)=[proxy])"},
		{"good token", "good", "/pods", nil, 200, `"name":"web"`},
		{"bad token", "bad", "/pods", nil, 401, "Unauthorized"},
		{"no answer", "", "/pods", b.ca.client("broken", x509.ExtKeyUsageClientAuth), 500, "Authorization error (user=broken, verb=get, resource=nodes, subresource=pods)"},
		{"no such path", "", "/logs/", b.ca.admin(), 404, "404 page not found"},
	} {
		status, text := b.get(t, c.cert, c.token, c.path)
		if status != c.status || !strings.Contains(text, c.text) {
			t.Errorf("%s: got %d %s; want %d %s", c.name, status, text, c.status, c.text)
		}
	}
	before := *asked
	b.get(t, reader, "", "/pods")
	if *asked != before {
		t.Error("the answer about pods was not remembered")
	}
}

const logTime = "2026-11-21T09:20:00."

func logLines(n int) string {
	var b strings.Builder
	for i := range n {
		stream := "stdout"
		if i%2 == 1 {
			stream = "stderr"
		}
		fmt.Fprintf(&b, "%s%09dZ %s F line %d\n", logTime, i, stream, i)
	}
	return b.String()
}

func (b *bench) writeLog(t *testing.T, id, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "0.log")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b.cri.mu.Lock()
	defer b.cri.mu.Unlock()
	b.cri.logs[id] = path
	return path
}

func TestContainerLogs(t *testing.T) {
	b := newBench(t)
	b.writeLog(t, "c1", logLines(4)+logTime+"9Z stdout P a \n"+logTime+"9Z stdout F b\n")
	b.writeLog(t, "p1", logTime+"0Z stdout F before\n")
	pod := (*b.pods)[0]
	pod.Status.ContainerStatuses[0].LastTerminationState.Terminated = &v1.ContainerStateTerminated{ContainerID: "containerd://p1"}
	for _, c := range []struct {
		query  string
		status int
		want   string
	}{
		{"", 200, "line 0\nline 1\nline 2\nline 3\na b"},
		{"?tailLines=1", 200, "b"},
		{"?tail=2", 200, "a b"}, // parts of a line count

		{"?tail=all", 200, "line 0\nline 1\nline 2\nline 3\na b"},
		{"?tailLines=0", 200, ""},
		{"?limitBytes=9", 200, "line 0\nli"},
		{"?sinceTime=" + url.QueryEscape(logTime+"000000003Z"), 200, "line 3\na b"},
		{"?timestamps=true&limitBytes=37", 200, logTime + "000000000Z line 0"},
		{"?stream=Stderr", 200, "line 1\nline 3"},
		{"?previous=true", 200, "before"},
		{"?tailLines=-1", 422, "tailLines must be"},
		{"?limitBytes=0", 422, "limitBytes must be"},
		{"?sinceSeconds=0", 422, "sinceSeconds must be"},
		{"?sinceSeconds=1&sinceTime=2026-11-21T09:20:00Z", 422, "at most one"},
		{"?follow=perhaps", 422, "follow"},
		{"?stream=Both", 422, "stream must be"},
	} {
		status, text := b.get(t, b.ca.admin(), "", "/containerLogs/default/web/main"+c.query)
		if status != c.status || status == 200 && text != c.want || !strings.Contains(text, c.want) {
			t.Errorf("%s: got %d %q; want %d %q", c.query, status, text, c.status, c.want)
		}
	}
	for path, want := range map[string]string{
		"/containerLogs/default/none/main":              `404 pod "none" does not exist`,
		"/containerLogs/default/web/none":               `404 container "none" not found in pod "web"`,
		"/containerLogs/default/web/init":               `400 container "init" in pod "web" is not available`,
		"/containerLogs/default/web/slow":               `400 container "slow" in pod "web" is waiting to start: ContainerCreating`,
		"/containerLogs/default/web/slow?previous=true": `400 previous terminated container "slow" in pod "web" not found`,
	} {
		if status, text := b.get(t, b.ca.admin(), "", path); fmt.Sprint(status, " ", text) != want {
			t.Errorf("%s: got %d %s; want %s", path, status, text, want)
		}
	}
}

func TestLogContainerStates(t *testing.T) {
	running := v1.ContainerState{Running: &v1.ContainerStateRunning{}}
	ended := func(id string) v1.ContainerState {
		return v1.ContainerState{Terminated: &v1.ContainerStateTerminated{ContainerID: id}}
	}
	waiting := func(reason string) v1.ContainerState {
		return v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: reason}}
	}
	for _, c := range []struct {
		name     string
		now, old v1.ContainerState
		previous bool
		want     string
	}{
		{"running", running, ended("containerd://old"), false, "current"},
		{"running, previous", running, ended("containerd://old"), true, "old"},
		{"ended", ended("containerd://e"), v1.ContainerState{}, false, "e"},
		{"crash loop", waiting("CrashLoopBackOff"), ended("containerd://old"), false, "old"},
		{"never started again", ended(""), ended("containerd://old"), false, "old"},
		{"ended without a trace", ended(""), v1.ContainerState{}, false, `container "c" in pod "web" is terminated`},
		{"pull fails", waiting("ErrImagePull"), v1.ContainerState{}, false, `container "c" in pod "web" is waiting to start: image can't be pulled`},
		{"pull waits", waiting("ImagePullBackOff"), v1.ContainerState{}, false, `container "c" in pod "web" is waiting to start: trying and failing to pull image`},
		{"nothing known", v1.ContainerState{}, v1.ContainerState{}, false, `container "c" in pod "web" is waiting to start - no logs yet`},
		{"no previous", running, v1.ContainerState{}, true, `previous terminated container "c" in pod "web" not found`},
	} {
		pod := webPod()
		pod.Status.ContainerStatuses = []v1.ContainerStatus{{Name: "c", ContainerID: "containerd://current", State: c.now, LastTerminationState: c.old}}
		id, err := logContainer(pod, "c", c.previous)
		if err != nil {
			id = err.Error()
		}
		if id != c.want {
			t.Errorf("%s: got %s; want %s", c.name, id, c.want)
		}
	}
}

// A follower sees what is written later, also into the file that follows after a
// rotation, and ends when the container does.
func TestFollowGoesOnThroughRotation(t *testing.T) {
	b := newBench(t)
	path := b.writeLog(t, "c1", logLines(1))
	response, err := webClient(b.ca.admin()).Get(b.url + "/containerLogs/default/web/main?follow=true")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got := make(chan string, 10)
	go func() {
		defer close(got)
		buf := make([]byte, 100)
		for {
			n, err := response.Body.Read(buf)
			if n > 0 {
				got <- string(buf[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	expect := func(want string) {
		t.Helper()
		text := ""
		for text != want {
			select {
			case part, ok := <-got:
				if !ok {
					t.Fatalf("the stream ended; got %q, want %q", text, want)
				}
				text += part
			case <-time.After(15 * time.Second):
				t.Fatalf("waited for %q, got %q", want, text)
			}
		}
	}
	appendLog := func(line string) {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		fmt.Fprintf(f, "%s5Z stdout F %s\n", logTime, line)
	}
	expect("line 0\n")
	appendLog("later")
	expect("later\n")
	// Upstream's reader watches the folder from its first wait on, before which it asks
	// for the container a second time. A rotation before that escapes it.
	fakeapi.Eventually(t, func() string {
		b.cri.mu.Lock()
		defer b.cri.mu.Unlock()
		if b.cri.asked["c1"] < 2 {
			return "the reader doesn't watch the folder yet"
		}
		return ""
	})
	rotator, err := NewLogRotator(b.server.cfg.Runtime, 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := rotator.look(t.Context()); err != nil {
		t.Fatal(err)
	}
	appendLog("rotated")
	expect("rotated\n")
	b.cri.mu.Lock()
	b.cri.exited["c1"] = true
	b.cri.mu.Unlock()
	select {
	case rest, ok := <-got:
		if ok {
			t.Errorf("after the end came %q", rest)
		}
	case <-time.After(15 * time.Second):
		t.Error("the stream goes on though the container ended")
	}
}

func TestRotationKeepsFewFilesAndAll(t *testing.T) {
	b := newBench(t)
	path := b.writeLog(t, "c1", "first\n")
	clock := clocktesting.NewFakeClock(time.Unix(1_800_000_000, 0))
	r, err := NewLogRotator(b.server.cfg.Runtime, 6, 4)
	if err != nil {
		t.Fatal(err)
	}
	r.clock = clock
	for _, text := range []string{"second\n", "third!\n", "fourth\n", "fifth!\n", "tiny\n"} {
		if err := r.look(t.Context()); err != nil {
			t.Fatal(err)
		}
		clock.Step(time.Second)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.look(t.Context()); err != nil { // 5 bytes are below the limit
		t.Fatal(err)
	}
	old, err := oldLogs(path)
	if err != nil || len(old) != 3 {
		t.Fatalf("kept %v, %v; want 3 old ones", old, err)
	}
	for i, want := range []string{"third!\n", "fourth\n", "fifth!\n"} {
		if got := unzip(t, old[i]); got != want {
			t.Errorf("%s holds %q, want %q", old[i], got, want)
		}
	}
	if !strings.HasSuffix(old[0], ".gz") || strings.HasSuffix(old[2], ".gz") {
		t.Errorf("all but the newest are compressed, not so %v", old)
	}
}

func TestRotationGivesTheLogBack(t *testing.T) {
	b := newBench(t)
	path := b.writeLog(t, "stubborn", "much\n")
	r, err := NewLogRotator(b.server.cfg.Runtime, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.look(t.Context()); err == nil {
		t.Error("no error")
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "much\n" {
		t.Errorf("the log holds %q, %v", data, err)
	}
	if _, err := NewLogRotator(nil, 1, 1); err == nil {
		t.Error("one file is not enough")
	}
}

func unzip(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var in io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	data, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestStreamsArePassedOn(t *testing.T) {
	b := newBench(t)
	for path, want := range map[string]string{
		"/exec/default/web/main?command=ls&command=-l&input=1&output=1&error=1": "/exec/token",
		"/exec/default/web/uid-web/tty?command=sh&output=1&error=1&tty=1":       "/exec/token",
		"/attach/default/web/tty?output=1&error=1":                              "/attach/token",
		"/portForward/default/web":                                              "/portforward/sandbox-new",
		"/portForward/default/web/uid-web":                                      "/portforward/sandbox-new",
	} {
		response, r, conn := b.upgrade(t, path)
		if response.StatusCode != http.StatusSwitchingProtocols {
			body, _ := io.ReadAll(response.Body)
			t.Errorf("%s: %s %s", path, response.Status, body)
			continue
		}
		if line, err := r.ReadString('\n'); err != nil || line != want+"\n" {
			t.Errorf("%s led to %q, %v; want %s", path, line, err, want)
		}
		fmt.Fprintln(conn, "hello")
		if line, err := r.ReadString('\n'); err != nil || line != "echo hello\n" {
			t.Errorf("%s: the stream says %q, %v", path, line, err)
		}
	}
	b.cri.mu.Lock()
	defer b.cri.mu.Unlock()
	for _, e := range b.cri.execs {
		if e.Tty && (e.Stderr || e.ContainerId != "c2") || !e.Tty && (!slices.Equal(e.Cmd, []string{"ls", "-l"}) || !e.Stdin || !e.Stderr) {
			t.Errorf("the runtime was asked for %v", e)
		}
	}
	if a := b.cri.attaches[0]; !a.Tty || a.Stderr {
		t.Errorf("attached with %v; the container has a terminal", a)
	}
}

func TestStreamsRefused(t *testing.T) {
	b := newBench(t)
	(*b.pods)[0].Status.ContainerStatuses = append((*b.pods)[0].Status.ContainerStatuses,
		v1.ContainerStatus{Name: "init", ContainerID: "containerd://gone", State: v1.ContainerState{Running: &v1.ContainerStateRunning{}}})
	for path, want := range map[string]string{
		"/exec/default/web/main?command=ls":           "400 you must specify at least 1 of stdin, stdout, stderr",
		"/exec/default/none/main?output=1":            "404 pod does not exist",
		"/exec/default/web/other/main?output=1":       "404 pod not found",
		"/exec/default/web/slow?output=1&command=ls":  `404 container not found ("slow")`,
		"/exec/default/web/init?output=1&command=ls":  `404 container "gone" not found`,
		"/attach/default/web/slow?output=1":           "404 container slow not found in pod web_default",
		"/portForward/default/web?port=0":             `400 port "0" is not a number from 1 to 65535`,
		"/portForward/default/other":                  "404 pod does not exist",
		"/portForward/default/web/another-uid?port=1": "404 pod not found",
	} {
		response, _, _ := b.upgrade(t, path)
		body, _ := io.ReadAll(response.Body)
		if got := fmt.Sprintf("%d %s", response.StatusCode, strings.TrimSpace(string(body))); got != want {
			t.Errorf("%s: got %s; want %s", path, got, want)
		}
	}
	if status, text := b.get(t, b.ca.admin(), "", "/exec/default/web/main?output=1&command=ls"); status != 400 || text != "Upgrade request required" {
		t.Errorf("without an upgrade: %d %s", status, text)
	}
}

// When one side of a stream goes, the other is told.
func TestStreamsEnd(t *testing.T) {
	b := newBench(t)
	_, r, conn := b.upgrade(t, "/exec/default/web/main?command=ls&output=1")
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(conn, "bye") // the runtime's side answers and closes
	if rest, err := io.ReadAll(r); err != nil || string(rest) != "echo bye\n" {
		t.Errorf("got %q, %v; want the rest and an end", rest, err)
	}
}

func TestRun(t *testing.T) {
	b := newBench(t)
	response, err := webClient(b.ca.admin()).Post(b.url+"/run/default/web/main?cmd=ls+-l", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); string(body) != "[ls -l]" {
		t.Errorf("got %s", body)
	}
}

func TestStatsAndMetrics(t *testing.T) {
	b := newBench(t)
	(*b.pods)[0].Status.ContainerStatuses[0].State.Running.StartedAt = metav1.Unix(1_700_000_000, 0)
	_, text := b.get(t, b.ca.admin(), "", "/stats/summary")
	var s stats.Summary
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Pods) != 1 || s.Pods[0].PodRef.Name != "web" || *s.Pods[0].Containers[0].Memory.WorkingSetBytes != 2048 || *s.Pods[0].Containers[0].CPU.UsageNanoCores != 7 {
		t.Errorf("pods: %s", text)
	}
	if n := s.Node; *n.Memory.WorkingSetBytes == 0 || *n.CPU.UsageCoreNanoSeconds == 0 || *n.Fs.CapacityBytes == 0 || *n.Runtime.ImageFs.UsedBytes != 77 {
		t.Errorf("node: %s", text)
	}
	_, text = b.get(t, b.ca.admin(), "", "/metrics/resource")
	for _, line := range []string{
		`container_cpu_usage_seconds_total{container="main",namespace="default",pod="web"} 1.5 1800000000000`,
		`pod_cpu_usage_seconds_total{namespace="default",pod="web"} 2.5 1800000000000`,
		`pod_memory_working_set_bytes{namespace="default",pod="web"} 4096 1800000000000`,
		`container_start_time_seconds{container="main",namespace="default",pod="web"} 1700000000`,
		`resource_scrape_error 0`,
	} {
		if !strings.Contains(text, line+"\n") && !strings.HasSuffix(text, line) {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
}

func TestServingCertificateIsKeptAndFollowsItsFiles(t *testing.T) {
	dir := t.TempDir()
	first, err := newKeyPair("", "", dir, "node1")
	if err != nil {
		t.Fatal(err)
	}
	second, err := newKeyPair("", "", dir, "node1")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(first.current.Certificate[0], second.current.Certificate[0]) {
		t.Error("a restart made another certificate")
	}
	if info, err := os.Stat(filepath.Join(dir, "kubelet.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key has %v, %v", info.Mode(), err)
	}
	other := t.TempDir()
	if _, err := newKeyPair("", "", other, "node1"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kubelet.crt", "kubelet.key"} {
		if err := os.Rename(filepath.Join(other, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	first.looked = time.Time{}
	got, err := first.get(nil)
	if err != nil || slices.Equal(got.Certificate[0], second.current.Certificate[0]) {
		t.Errorf("the new certificate isn't used (%v)", err)
	}
	if _, err := newKeyPair("only.crt", "", dir, "node1"); err == nil {
		t.Error("a certificate without a key was taken")
	}
}

func FuzzParseLogRequest(f *testing.F) {
	f.Add("tailLines=1&sinceTime=2026-11-21T09:20:00Z&follow=1")
	f.Fuzz(func(t *testing.T, raw string) {
		query, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		ask, err := parseLogRequest(query, time.Unix(0, 0))
		if err == nil && ask.options.TailLines != nil && *ask.options.TailLines < 0 {
			t.Errorf("%q gave a negative tail", raw)
		}
	})
}
