package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	utilexec "k8s.io/client-go/util/exec"
)

// outputLimit is how much of a log, page or command output a check reads.
const outputLimit = 1 << 20

// reach is Reach through a real API server.
type reach struct {
	config *rest.Config
	core   *rest.RESTClient
}

func newReach(config *rest.Config) (*reach, error) {
	c := rest.CopyConfig(config)
	c.APIPath = "/api"
	c.GroupVersion = &schema.GroupVersion{Version: "v1"}
	c.NegotiatedSerializer = serializer.WithoutConversionCodecFactory{CodecFactory: scheme.Codecs}
	core, err := rest.RESTClientFor(c)
	if err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	return &reach{config: c, core: core}, nil
}

// Exec tries WebSocket first and SPDY where the server can't, as kubectl does.
func (r *reach) Exec(ctx context.Context, namespace, pod, container string, command []string) (Output, error) {
	req := r.core.Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("exec").
		VersionedParams(&v1.PodExecOptions{
			Container: container, Command: command, Stdout: true, Stderr: true,
		}, scheme.ParameterCodec)
	ws, err := remotecommand.NewWebSocketExecutor(r.config, http.MethodGet, req.URL().String())
	if err != nil {
		return Output{}, fmt.Errorf("preparing exec in %s: %w", pod, err)
	}
	spdy, err := remotecommand.NewSPDYExecutor(r.config, http.MethodPost, req.URL())
	if err != nil {
		return Output{}, fmt.Errorf("preparing exec in %s: %w", pod, err)
	}
	executor, err := remotecommand.NewFallbackExecutor(ws, spdy, func(error) bool { return true })
	if err != nil {
		return Output{}, fmt.Errorf("preparing exec in %s: %w", pod, err)
	}
	var stdout, stderr capped
	err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &stdout, Stderr: &stderr})
	out := Output{Stdout: stdout.String(), Stderr: stderr.String()}
	var exit utilexec.ExitError
	if errors.As(err, &exit) {
		out.Code = exit.ExitStatus()
		return out, nil
	}
	if err != nil {
		return out, fmt.Errorf("running %q in pod %s: %w", strings.Join(command, " "), pod, err)
	}
	return out, nil
}

func (r *reach) Logs(ctx context.Context, namespace, pod, container string, tail int, previous bool) (string, error) {
	options := &v1.PodLogOptions{Container: container, Previous: previous}
	if tail > 0 {
		lines := int64(tail)
		options.TailLines = &lines
	}
	stream, err := r.core.Get().Resource("pods").Namespace(namespace).Name(pod).SubResource("log").
		VersionedParams(options, scheme.ParameterCodec).Stream(ctx)
	if err != nil {
		return "", fmt.Errorf("reading the log of pod %s: %w", pod, err)
	}
	data, err := io.ReadAll(io.LimitReader(stream, outputLimit))
	if err = errors.Join(err, stream.Close()); err != nil {
		return "", fmt.Errorf("reading the log of pod %s: %w", pod, err)
	}
	return string(data), nil
}

// Get goes through the API server's proxy. A page that was served with an
// error code is an answer, not an error.
func (r *reach) Get(ctx context.Context, namespace, resource, name string, port int, path string) (page Page, err error) {
	what := strings.TrimSuffix(resource, "s") + " " + name
	req := r.core.Get().Resource(resource).Namespace(namespace).Name(name + ":" + strconv.Itoa(port)).SubResource("proxy")
	if rest := strings.Trim(path, "/"); rest != "" {
		req = req.Suffix(strings.Split(rest, "/")...)
	}
	// Not through the REST client, which takes whatever isn't Kubernetes' own
	// format for a failure and drops its code.
	ask, err := http.NewRequestWithContext(ctx, http.MethodGet, req.URL().String(), nil)
	if err != nil {
		return Page{}, fmt.Errorf("asking %s for a page: %w", what, err)
	}
	ask.Header.Set("Accept", "text/plain, */*")
	resp, err := r.core.Client.Do(ask)
	if err != nil {
		return Page{}, fmt.Errorf("asking %s for a page: %w", what, err)
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, outputLimit))
	if err != nil {
		return Page{}, fmt.Errorf("reading the page of %s: %w", what, err)
	}
	return Page{Code: resp.StatusCode, Body: string(body)}, nil
}

// capped keeps the first outputLimit bytes and drops the rest, of which it tells full. The
// buffer is not embedded: whoever copies would read into it, past this.
type capped struct {
	kept bytes.Buffer
	full func()
}

func (c *capped) Write(p []byte) (int, error) {
	room := outputLimit - c.kept.Len()
	if room < len(p) && c.full != nil {
		c.full()
	}
	_, _ = c.kept.Write(p[:min(room, len(p))]) // a bytes.Buffer doesn't fail
	return len(p), nil
}

// String is what was kept.
func (c *capped) String() string { return c.kept.String() }
