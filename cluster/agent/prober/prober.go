package prober

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/record"
	criclient "k8s.io/cri-client/pkg"
	upstream "k8s.io/kubernetes/pkg/probe"
	grpcprobe "k8s.io/kubernetes/pkg/probe/grpc"
	httpprobe "k8s.io/kubernetes/pkg/probe/http"
	tcpprobe "k8s.io/kubernetes/pkg/probe/tcp"
	utilexec "k8s.io/utils/exec"

	"noriter.dev/noriter/cluster/agent/podspec"
)

const (
	// maxProbeRetries is how often a probe is tried when the probing itself goes wrong, as
	// when the runtime does not answer (pkg/kubelet/prober/prober.go).
	maxProbeRetries = 3
	// maxOutput is how much of a command's output goes into an event, in bytes
	// (maxReadLength in pkg/probe/exec/exec.go).
	maxOutput = 10 << 10
)

// Executor runs a command in a container and returns what it wrote. A command that
// ran and failed is a k8s.io/utils/exec.ExitError.
type Executor interface {
	ExecSync(ctx context.Context, id string, command []string, timeout time.Duration) (stdout, stderr []byte, err error)
}

// prober does single probes (prober in pkg/kubelet/prober/prober.go). The wire work of
// HTTP, TCP and gRPC is upstream's own packages.
type prober struct {
	exec   Executor
	http   httpprobe.Prober
	tcp    tcpprobe.Prober
	grpc   grpcprobe.Prober
	events record.EventRecorder
}

func newProber(exec Executor, events record.EventRecorder) *prober {
	return &prober{exec: exec, http: httpprobe.New(false), tcp: tcpprobe.New(), grpc: grpcprobe.New(), events: events}
}

// probe asks once and tells of a bad outcome by an event. Unknown means that nothing
// was learned, which must not count against the container.
func (p *prober) probe(ctx context.Context, kind Kind, spec *v1.Probe, pod *v1.Pod, s *v1.PodStatus, c *v1.Container, id string) Result {
	var outcome upstream.Result
	var output string
	var err error
	for range maxProbeRetries {
		if outcome, output, err = p.runProbe(ctx, spec, s, c, id); err == nil || ctx.Err() != nil {
			break
		}
	}
	if ctx.Err() != nil {
		return Unknown
	}
	event := func(reason, format string, args ...any) {
		p.events.Event(podspec.Ref(pod, c.Name), v1.EventTypeWarning, reason, fmt.Sprintf(format, args...))
	}
	switch {
	case err != nil:
		event("Unhealthy", "%s probe errored and resulted in %s state: %s", kind, outcome, err)
		return Unknown
	case outcome == upstream.Warning:
		event("ProbeWarning", "%s probe warning: %s", kind, output)
		return Success
	case outcome == upstream.Success:
		return Success
	case outcome == upstream.Failure:
		event("Unhealthy", "%s probe failed: %s", kind, output)
	default:
		slog.Debug("probe without a result", "pod", podspec.FormatPod(pod), "container", c.Name, "kind", kind.String())
	}
	return Failure
}

// runProbe runs the handler of the spec. The address is the pod's own unless the spec names
// a host: it is the node that asks, and to it localhost would be the node.
func (p *prober) runProbe(ctx context.Context, spec *v1.Probe, s *v1.PodStatus, c *v1.Container, id string) (upstream.Result, string, error) {
	timeout := time.Duration(max(1, spec.TimeoutSeconds)) * time.Second
	switch {
	case spec.Exec != nil:
		return p.runExecProbe(ctx, spec.Exec.Command, c, id, timeout)
	case spec.HTTPGet != nil:
		request, err := httpprobe.NewRequestForHTTPGetAction(spec.HTTPGet, c, s.PodIP, "probe")
		if err != nil {
			return upstream.Unknown, "", err
		}
		return p.http.Probe(request, timeout)
	case spec.TCPSocket != nil:
		port, err := upstream.ResolveContainerPort(spec.TCPSocket.Port, c)
		if err != nil {
			return upstream.Unknown, "", err
		}
		host := spec.TCPSocket.Host
		if host == "" {
			host = s.PodIP
		}
		return p.tcp.Probe(host, port, timeout)
	case spec.GRPC != nil:
		service := ""
		if spec.GRPC.Service != nil {
			service = *spec.GRPC.Service
		}
		return p.grpc.Probe(s.PodIP, service, int(spec.GRPC.Port), timeout, grpcprobe.ProbeOptions{})
	}
	return upstream.Unknown, "", fmt.Errorf("missing probe handler for container %s", c.Name)
}

// runExecProbe runs a command in the container: exit code 0 is success. A command that does
// not end in time is a failure like any other.
func (p *prober) runExecProbe(ctx context.Context, command []string, c *v1.Container, id string, timeout time.Duration) (upstream.Result, string, error) {
	static := map[string]string{}
	for _, e := range c.Env {
		if e.ValueFrom == nil {
			static[e.Name] = e.Value
		}
	}
	stdout, stderr, err := p.exec.ExecSync(ctx, id, podspec.ExpandStatic(command, static), timeout)
	output := append(append([]byte(nil), stdout...), stderr...)
	if len(output) > maxOutput {
		output = output[:maxOutput]
	}
	var exit utilexec.ExitError
	switch {
	case err == nil:
		return upstream.Success, string(output), nil
	case errors.As(err, &exit):
		return upstream.Failure, string(output), nil
	case errors.Is(err, criclient.ErrCommandTimedOut):
		return upstream.Failure, err.Error(), nil
	}
	return upstream.Unknown, "", err
}
