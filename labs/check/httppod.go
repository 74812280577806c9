package check

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/shell"
	"noriter.dev/noriter/labs/expr"
)

// noTool is the status of a shell that found neither curl nor wget, and what
// a runtime gives where there isn't even a shell.
const noTool = 127

// fromPod asks from inside of a pod, with the curl or wget that is in it.
// Without a name it is any pod of the namespace that has one of them. wget,
// unlike curl, follows redirects and drops the pages of errors.
func (c *Cluster) fromPod(ctx context.Context, s *Scope, w *wish, name string) (asker, error) {
	pod, err := c.podWithTool(ctx, s, name)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, t target) Answer {
		out, err := c.Reach.Exec(ctx, s.Namespace, pod, "", []string{"sh", "-c", w.commandLine(t.url)})
		if err != nil {
			return Answer{Target: t.name, Error: why(err)}
		}
		a := parseAnswer(out)
		a.Target = t.name
		return a
	}, nil
}

// podWithTool finds the pod to ask from.
func (c *Cluster) podWithTool(ctx context.Context, s *Scope, name string) (string, error) {
	if name != "" {
		_, err := c.pod(ctx, s, name)
		return name, err
	}
	pods, err := c.List(ctx, "Pod", "v1", s.Namespace, "")
	if err != nil {
		return "", err
	}
	probe := []string{"sh", "-c", "command -v curl || command -v wget || exit 127"}
	for i := range pods {
		if !expr.Ready(pods[i].Object) {
			continue
		}
		out, err := c.Reach.Exec(ctx, s.Namespace, pods[i].GetName(), "", probe)
		if err == nil && out.Code == 0 {
			return pods[i].GetName(), nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
	}
	return "", missing(lang.Textf("no pod of namespace %s is ready and has curl or wget",
		"네임스페이스 %s에 준비된 파드 가운데 curl이나 wget이 있는 것이 없습니다", s.Namespace))
}

// commandLine asks with curl, or with wget where there is no curl.
func (w *wish) commandLine(url string) string {
	seconds := strconv.Itoa(int(math.Ceil(w.timeout.Seconds())))
	curl := []string{"curl", "-sS", "-i", "--max-time", seconds}
	wget := []string{"wget", "-S", "-O", "-", "-T", seconds}
	if w.insecure {
		curl, wget = append(curl, "-k"), append(wget, "--no-check-certificate")
	}
	header := func(name, value string) {
		curl = append(curl, "-H", name+": "+value)
		wget = append(wget, "--header", name+": "+value)
	}
	if w.host != "" {
		header("Host", w.host)
	}
	for name, value := range w.headers {
		header(name, value)
	}
	return fmt.Sprintf("if command -v curl >/dev/null; then exec %s; elif command -v wget >/dev/null; then exec %s; else echo 'neither curl nor wget' >&2; exit %d; fi",
		shell.Join(append(curl, url)...), shell.Join(append(wget, url)...), noTool)
}

// parseAnswer reads what curl -i or wget -S printed.
func parseAnswer(out Output) Answer {
	head, body := out.Stderr, out.Stdout
	if strings.HasPrefix(out.Stdout, "HTTP/") {
		head, body, _ = strings.Cut(strings.ReplaceAll(out.Stdout, "\r\n", "\n"), "\n\n")
	}
	a := Answer{Headers: map[string]string{}}
	for _, line := range strings.Split(head, "\n") {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "HTTP/"); ok {
			if fields := strings.Fields(rest); len(fields) > 1 {
				a.Status, _ = strconv.Atoi(fields[1]) // 0 is no status, as it should be
				clear(a.Headers)                      // those of a redirect, if any
			}
			continue
		}
		if name, value, ok := strings.Cut(line, ": "); ok && a.Status != 0 && !strings.ContainsAny(name, " ") {
			a.Headers[strings.ToLower(name)] = value
		}
	}
	if a.Status == 0 {
		a.Error = whyText(out.Stderr)
		return a
	}
	a.Body = body
	return a
}

// errNoPod is for a pod that has no address or node yet.
var errNoPod = errors.New("the pod is on no node yet")

// nodeOf is the machine that a pod is on.
func nodeOf(pod *unstructured.Unstructured) (string, error) {
	node, _, _ := unstructured.NestedString(pod.Object, "spec", "nodeName") // none: said below
	if node == "" {
		return "", fmt.Errorf("%s: %w", pod.GetName(), errNoPod)
	}
	return node, nil
}
