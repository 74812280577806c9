package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/printable"
	"noriter.dev/noriter/provision/netns"
	"noriter.dev/noriter/testbed"
	"noriter.dev/noriter/testbed/openurl"
)

// openOptions are the flags of `nori open`.
type openOptions struct {
	namespace, port string
	listen          int
	url             bool
}

func newOpenCommand(g *globals) *cobra.Command {
	var o openOptions
	c := &cobra.Command{
		Use:   "open ing/NAME | svc/NAME",
		Short: lang.T("Give a URL for an Ingress or a Service that works in this host's browser", "이 호스트의 브라우저에서 열 수 있는 인그레스·서비스의 URL 알려 주기"),
		Long: lang.T(`Prints a URL. Where this host reaches the address by itself that is all. Otherwise
(the testbed is isolated, the Ingress wants a host name that no DNS knows, the
Service has no node port) it forwards a port of 127.0.0.1 there until Ctrl-C.`,
			`URL을 출력합니다. 이 호스트에서 바로 갈 수 있는 주소면 그것으로 끝입니다. 그렇지 않으면
(격리된 테스트베드, DNS가 모르는 호스트 이름을 쓰는 인그레스, 노드 포트가 없는 서비스)
Ctrl-C를 누를 때까지 127.0.0.1의 포트를 그곳으로 포워딩합니다.`),
		Example: "  nori open svc/web\n  nori open ing/shop -n team-a",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return g.openWay(c.Context(), args[0], o) },
	}
	f := c.Flags()
	f.StringVarP(&o.namespace, "namespace", "n", "", lang.T("namespace (default: that of the kubeconfig)", "네임스페이스 (기본값: kubeconfig의 것)"))
	f.StringVar(&o.port, "port", "", lang.T("the Service's port, by number or name (default: its first)", "서비스 포트의 번호나 이름 (기본값: 첫 번째)"))
	f.IntVar(&o.listen, "listen", 0, lang.T("port of 127.0.0.1 to forward (default: one that is free)", "포워딩할 127.0.0.1의 포트 (기본값: 쓰지 않는 포트 가운데 하나)"))
	f.BoolVar(&o.url, "url", false, lang.T("only print the URL; fail where something would have to be forwarded", "URL만 출력. 포워딩이 필요하면 실패"))
	return c
}

// openWay prints the URL, and forwards if it must.
func (g *globals) openWay(ctx context.Context, what string, o openOptions) error {
	kind, name, ok := strings.Cut(what, "/")
	if !ok || kind == "" || name == "" || strings.Contains(name, "/") {
		return g.usage("%q: write ing/NAME or svc/NAME", "%q: ing/NAME 또는 svc/NAME으로 쓰세요", what)
	}
	if o.listen < 0 || o.listen > 65535 {
		return g.usage("--listen: %d is no port", "--listen: %d은(는) 포트 번호가 아닙니다", o.listen)
	}
	t, err := g.find() // and stays outside of its namespace, where the browser is
	if err != nil {
		return err
	}
	if ns := t.Namespace(); ns != "" && !netns.Exists(ns) {
		return t.NotUp()
	}
	route, err := g.findWay(ctx, t, kind, name, o)
	if err != nil {
		return err
	}
	direct := route.Host == "" && !route.Inside && t.Namespace() == "" && t.Dialer() == nil
	switch {
	case direct:
		_, err := fmt.Fprintln(g.stdout, printable.Text(route.URL()))
		return err
	case o.url:
		return g.usage("--url: the browser can't get there by itself; without --url a port is forwarded",
			"--url: 브라우저가 바로 갈 수 없는 곳입니다. --url 없이 실행하면 포트를 포워딩합니다")
	}
	return g.forwardWay(ctx, t, what, route, o)
}

func (g *globals) findWay(ctx context.Context, t *testbed.Testbed, kind, name string, o openOptions) (openurl.Route, error) {
	config, err := t.RESTConfig()
	if err != nil {
		return openurl.Route{}, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return openurl.Route{}, err
	}
	if o.namespace == "" {
		o.namespace = g.currentNamespace(t)
	}
	limited, cancel := context.WithTimeout(ctx, t.Patient(loginLimit))
	defer cancel()
	return openurl.Find(limited, client, o.namespace, kind, name, o.port)
}

// currentNamespace is that of kubectl: in a lab's shell, the lab's.
func (g *globals) currentNamespace(t *testbed.Testbed) string {
	path := t.Kubeconfig()
	if desk, err := g.desk(t); err == nil {
		if own, err := desk.Kubeconfig(); err == nil {
			path = own
		}
	}
	if env := os.Getenv("KUBECONFIG"); env != "" && os.Getenv("NORI_TESTBED") == t.Name() {
		path = env
	}
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(&clientcmd.ClientConfigLoadingRules{ExplicitPath: path}, nil)
	namespace, _, err := loader.Namespace()
	if err != nil || namespace == "" {
		return "default"
	}
	return namespace
}

// forwardWay listens on the host's loopback and forwards until Ctrl-C.
func (g *globals) forwardWay(ctx context.Context, t *testbed.Testbed, what string, route openurl.Route, o openOptions) error {
	dial, closeDial, err := wayDial(ctx, t, route)
	if err != nil {
		return err
	}
	defer closeDial()
	l, err := netns.ListenOutside(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(o.listen)))
	if err != nil {
		return lang.Errorf("listening on 127.0.0.1: %w", "127.0.0.1에서 수신 대기: %w", err)
	}
	defer t.Visit(commandLine())()
	fmt.Fprintln(g.stdout, route.Local(l))
	to := route.Address
	if route.Host != "" {
		to += lang.T(", host ", ", 호스트 ") + route.Host
	}
	g.tell("forwards to %s (%s); Ctrl-C ends it", "%s(으)로 가는 포트를 열었습니다(%s). Ctrl-C로 끝냅니다", what, to)
	err = openurl.Forward(ctx, l, route, dial, func(err error) {
		if !errors.Is(err, context.Canceled) {
			fmt.Fprintln(g.stderr, "nori:", printable.Text(err.Error()))
		}
	})
	return err
}

// wayDial is how the forwarder gets to a route. An address that only machines
// reach is dialled from the control node.
func wayDial(ctx context.Context, t *testbed.Testbed, route openurl.Route) (openurl.Dial, func(), error) {
	if route.Inside {
		connect, cancel := context.WithTimeout(ctx, t.Patient(loginLimit))
		defer cancel()
		m, err := t.Dial(connect, testbed.ControlName)
		if err != nil {
			return nil, nil, err
		}
		return m.Dial, func() { m.Close() }, nil
	}
	dial := openurl.Dial(t.Dialer())
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return dial, func() {}, nil
}
