package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs"
	"noriter.dev/noriter/labs/expr"
)

// wish is how a page is to be asked for, filled in.
type wish struct {
	scheme, path, host string
	port               int
	headers            map[string]string
	insecure           bool
	authorities        *x509.CertPool
	timeout            time.Duration
}

func (c *Cluster) wish(ctx context.Context, s *Scope, h *HTTP, base expr.Scope) (*wish, error) {
	w := &wish{scheme: h.Scheme, insecure: h.Insecure, timeout: h.Timeout, headers: map[string]string{}}
	if w.scheme == "" {
		w.scheme = "http"
	}
	if w.timeout == 0 {
		w.timeout = defaultTimeout
	}
	var err error
	if w.path, err = h.Path.Fill(ctx, base, "/"); err != nil {
		return nil, err
	}
	if w.host, err = h.Host.Fill(ctx, base, ""); err != nil {
		return nil, err
	}
	for name, value := range h.Headers {
		if w.headers[name], err = value.Render(ctx, base); err != nil {
			return nil, err
		}
	}
	if h.Port != nil {
		if w.port, err = h.Port.Value(ctx, base); err != nil {
			return nil, fmt.Errorf("port: %w", err)
		}
	}
	if h.CA != nil {
		w.authorities, err = c.authorities(ctx, s, h.CA, base)
	}
	return w, err
}

// url is where a host is asked for the page that is wished for.
func (w *wish) url(host string) string {
	return w.scheme + "://" + net.JoinHostPort(host, strconv.Itoa(w.port)) + "/" + strings.TrimPrefix(w.path, "/")
}

// authorities reads the certificates that are trusted from a Secret.
func (c *Cluster) authorities(ctx context.Context, s *Scope, ca *SecretKey, base expr.Scope) (*x509.CertPool, error) {
	name, err := ca.Secret.Render(ctx, base)
	if err != nil {
		return nil, err
	}
	secret, err := c.need(ctx, "Secret", "v1", s.Namespace, name)
	if err != nil {
		return nil, err
	}
	encoded, _, _ := unstructured.NestedString(secret.Object, "data", ca.Key) // none: said below
	pem, err := base64.StdEncoding.DecodeString(encoded)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(pem) {
		return nil, missing(lang.Textf("the secret %s has no certificate under %s",
			"시크릿 %s의 %s에 인증서가 없습니다", name, ca.Key))
	}
	return pool, nil
}

// dial opens a connection.
type dial func(ctx context.Context, network, address string) (net.Conn, error)

// dialer connects from a machine's own network.
func (c *Cluster) dialer(node string) (dial, error) {
	d, ok := c.Nodes.(labs.Dialer)
	if !ok {
		return nil, errors.New("this check asks from a machine, but the machines of this cluster can't be reached")
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		return d.Dial(ctx, node, network, address)
	}, nil
}

// overNetwork asks by connections of a dial. It follows no redirects, uses no
// proxy and keeps no connection: a new one is what tells whether the way is
// open now.
func (w *wish) overNetwork(d dial) asker {
	name, _, err := net.SplitHostPort(w.host)
	if err != nil {
		name = w.host
	}
	client := &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true, DialContext: d,
			// What is wrong with a certificate is what some labs are about.
			TLSClientConfig: &tls.Config{ServerName: name, RootCAs: w.authorities, InsecureSkipVerify: w.insecure},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context, t target) Answer {
		ctx, cancel := context.WithTimeout(ctx, w.timeout)
		defer cancel()
		return w.get(ctx, client, t)
	}
}

func (w *wish) get(ctx context.Context, client *http.Client, t target) Answer {
	out := Answer{Target: t.name}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url, nil)
	if err != nil {
		out.Error = err.Error()
		return out
	}
	if w.host != "" {
		req.Host = w.host
	}
	for name, value := range w.headers {
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		out.Error = why(err)
		return out
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, outputLimit))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		out.Error = why(err)
		return out
	}
	out.Status, out.Body, out.Headers = resp.StatusCode, string(body), map[string]string{}
	for name, values := range resp.Header {
		out.Headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	return out
}

// why puts an error into one of the words that checks compare with, or gives
// its own text.
func why(err error) string {
	var wrongName x509.HostnameError
	var authority x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	var name *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &wrongName) && len(wrongName.Certificate.DNSNames)+len(wrongName.Certificate.IPAddresses) == 0:
		return "no name"
	case errors.As(err, &wrongName):
		return "wrong name"
	case errors.As(err, &authority):
		return "unknown authority"
	case errors.As(err, &record):
		return "no tls"
	case errors.As(err, &name) && name.IsNotFound:
		return "unknown host"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	return whyText(err.Error())
}

// reasons are the words for what tools and machines say in their own.
var reasons = []struct {
	word  string
	signs []string
}{
	{"refused", []string{"connection refused"}},
	{"timeout", []string{"timed out", "timeout"}},
	{"unreachable", []string{"no route to host", "unreachable"}},
	{"unknown host", []string{"bad address", "could not resolve", "unable to resolve", "name or service not known", "no such host"}},
	{"no tls", []string{"server gave http response to https", "wrong version number"}},
	{"unknown authority", []string{"unknown authority", "local issuer", "self-signed", "self signed"}},
	{"wrong name", []string{"no alternative certificate subject", "hostname mismatch", "doesn't match"}},
	{"reset", []string{"connection reset", "empty reply", "error getting response", "eof"}},
}

func whyText(text string) string {
	low := strings.ToLower(text)
	for _, r := range reasons {
		for _, sign := range r.signs {
			if strings.Contains(low, sign) {
				return r.word
			}
		}
	}
	return strings.TrimSpace(text)
}
