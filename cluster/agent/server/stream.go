package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	v1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	kubelettypes "k8s.io/kubelet/pkg/types"

	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/runtime"
)

// runLimit bounds a command of /run, which answers with the output as a whole.
const runLimit = 2 * time.Minute

// exec runs a command in a container, with its streams over this connection (getExec in
// pkg/kubelet/server/server.go). It is the runtime that serves the streams. Their bytes
// only pass through here, because the runtime listens on the loopback alone.
func (s *Server) exec(w http.ResponseWriter, r *http.Request) {
	pod, streams, ok := s.streamRequest(w, r)
	if !ok {
		return
	}
	id, ok := execTarget(w, r, pod)
	if !ok {
		return
	}
	got, err := s.cfg.Runtime.Exec(r.Context(), &cri.ExecRequest{ContainerId: id, Cmd: r.URL.Query()["command"],
		Stdin: streams.stdin, Stdout: streams.stdout, Stderr: streams.stderr, Tty: streams.tty})
	s.pass(w, r, got.GetUrl(), err)
}

// attach connects to the streams of a container's main process. Whether that has a
// terminal was decided when it was started.
func (s *Server) attach(w http.ResponseWriter, r *http.Request) {
	pod, streams, ok := s.streamRequest(w, r)
	if !ok {
		return
	}
	container := r.PathValue("container")
	id := runningID(pod, container)
	if id == "" {
		http.Error(w, fmt.Sprintf("container %s not found in pod %s_%s", container, pod.Name, pod.Namespace), http.StatusNotFound)
		return
	}
	spec := podspec.FindContainer(pod, container)
	tty := spec != nil && spec.TTY
	got, err := s.cfg.Runtime.Attach(r.Context(), &cri.AttachRequest{ContainerId: id,
		Stdin: streams.stdin, Stdout: streams.stdout, Stderr: streams.stderr && !tty, Tty: tty})
	s.pass(w, r, got.GetUrl(), err)
}

// portForward connects to ports inside a pod. It needs the sandbox and no container: the
// ports of a pod are in the network namespace, which the sandbox holds.
func (s *Server) portForward(w http.ResponseWriter, r *http.Request) {
	pod, ok := s.streamPod(w, r)
	if !ok {
		return
	}
	ports, err := parsePorts(r.URL.Query()["port"])
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	sandbox, err := s.sandbox(r.Context(), pod)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	got, err := s.cfg.Runtime.PortForward(r.Context(), &cri.PortForwardRequest{PodSandboxId: sandbox, Port: ports})
	s.pass(w, r, got.GetUrl(), err)
}

// run runs a command and answers with what it wrote. kubectl does not use it; it is for
// whoever has only curl.
func (s *Server) run(w http.ResponseWriter, r *http.Request) {
	pod, ok := s.streamPod(w, r)
	if !ok {
		return
	}
	id, ok := execTarget(w, r, pod)
	if !ok {
		return
	}
	command := strings.Fields(r.URL.Query().Get("cmd"))
	if len(command) == 0 {
		http.Error(w, "the query must give a command, as in ?cmd=ls+-l", http.StatusBadRequest)
		return
	}
	stdout, stderr, err := s.cfg.Runtime.ExecSync(r.Context(), id, command, runLimit)
	if err != nil {
		http.Error(w, fmt.Sprintf("%v\n%s%s", err, stdout, stderr), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(append(stdout, stderr...))
}

// streamRequest finds the pod of a request and the streams that it asks for, or answers
// what is wrong with it.
func (s *Server) streamRequest(w http.ResponseWriter, r *http.Request) (*v1.Pod, streams, bool) {
	pod, ok := s.streamPod(w, r)
	if !ok {
		return nil, streams{}, false
	}
	wanted, err := parseStreams(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
	return pod, wanted, err == nil
}

// execTarget is the running container in which a request wants a command to run, or it
// answers that there is none.
func execTarget(w http.ResponseWriter, r *http.Request, pod *v1.Pod) (id string, ok bool) {
	container := r.PathValue("container")
	id = runningID(pod, container)
	if id == "" {
		http.Error(w, fmt.Sprintf("container not found (%q)", container), http.StatusNotFound)
	}
	return id, id != ""
}

// runningID is the runtime's ID of a container that runs, or "".
func runningID(pod *v1.Pod, name string) string {
	st := podspec.FindContainerStatus(&pod.Status, name)
	if st == nil || st.State.Running == nil {
		return ""
	}
	return runtime.ParseContainerID(st.ContainerID)
}

// streamPod finds the pod of a request, or answers that there is none.
func (s *Server) streamPod(w http.ResponseWriter, r *http.Request) (*v1.Pod, bool) {
	pod, ok := s.cfg.Pods.Get(r.PathValue("namespace"), r.PathValue("pod"))
	if !ok {
		http.Error(w, "pod does not exist", http.StatusNotFound)
		return nil, false
	}
	if uid := r.PathValue("uid"); uid != "" && uid != string(pod.UID) {
		http.Error(w, "pod not found", http.StatusNotFound)
		return nil, false
	}
	return pod, true
}

// sandbox finds the runtime's ID of the pod's running sandbox.
func (s *Server) sandbox(ctx context.Context, pod *v1.Pod) (string, error) {
	list, err := s.cfg.Runtime.ListPodSandbox(ctx, &cri.PodSandboxFilter{
		LabelSelector: map[string]string{kubelettypes.KubernetesPodUIDLabel: string(pod.UID)},
		State:         &cri.PodSandboxStateValue{State: cri.PodSandboxState_SANDBOX_READY},
	})
	if err != nil {
		return "", fmt.Errorf("asking the runtime for the sandbox of pod %q: %w", pod.Name, err)
	}
	if len(list) == 0 {
		return "", fmt.Errorf("pod not found (%q)", pod.Name+"_"+pod.Namespace)
	}
	newest := list[0] // one that is being replaced may be ready for a moment longer
	for _, sb := range list[1:] {
		if sb.CreatedAt > newest.CreatedAt {
			newest = sb
		}
	}
	return newest.Id, nil
}

// pass hands the connection over to the stream that the runtime prepared.
func (s *Server) pass(w http.ResponseWriter, r *http.Request, address string, err error) {
	if err != nil {
		http.Error(w, runtime.Message(err), grpcStatus(err))
		return
	}
	target, err := url.Parse(address)
	if err != nil || target.Host == "" {
		http.Error(w, fmt.Sprintf("the container runtime gave no address for the stream: %q", address), http.StatusInternalServerError)
		return
	}
	if r.Header.Get("Upgrade") == "" {
		http.Error(w, "Upgrade request required", http.StatusBadRequest)
		return
	}
	stream := &httputil.ReverseProxy{
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.Out.URL, pr.Out.Host = target, target.Host
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "connecting to the container runtime's stream: "+err.Error(), http.StatusInternalServerError)
		},
		ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
	stream.ServeHTTP(w, r)
}

// streams says which of a program's streams a connection carries.
type streams struct{ stdin, stdout, stderr, tty bool }

// parseStreams reads which streams are wanted.
func parseStreams(query url.Values) (streams, error) {
	on := func(name string) bool { return query.Get(name) == "1" }
	got := streams{stdin: on("input"), stdout: on("output"), stderr: on("error"), tty: on("tty")}
	if got.tty {
		got.stderr = false // a terminal has one output
	}
	if !got.stdin && !got.stdout && !got.stderr {
		return got, errors.New("you must specify at least 1 of stdin, stdout, stderr")
	}
	return got, nil
}

// parsePorts reads ports from the query; over SPDY they come with each stream
// instead, and there are none here.
func parsePorts(texts []string) ([]int32, error) {
	var ports []int32
	for _, text := range texts {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil || port == 0 {
			return nil, fmt.Errorf("port %q is not a number from 1 to 65535", text)
		}
		ports = append(ports, int32(port))
	}
	return ports, nil
}

// grpcStatus is the HTTP status for an error of the runtime.
func grpcStatus(err error) int {
	switch status.Code(err) {
	case codes.NotFound:
		return http.StatusNotFound
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	}
	return http.StatusInternalServerError
}
