package ingress

import (
	"archive/tar"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"
)

// unpackNginx takes Debian's nginx with its libraries out of the cache that the
// images are built from, and returns a command line that runs it as it is: by its
// own loader, so that the host may be of another release.
func unpackNginx(t *testing.T) (argv []string, mimeTypes string) {
	t.Helper()
	cache := os.Getenv("NORITER_CACHE")
	if cache == "" {
		cache = "/var/lib/noriter/cache"
	}
	found, err := filepath.Glob(filepath.Join(cache, "images", "debian-trixie-*.tar"))
	if err != nil || len(found) == 0 || runtime.GOARCH != "amd64" {
		t.Skip("Debian's nginx is not in the cache; `nori up` or NORITER_CACHE brings it")
	}
	slices.SortFunc(found, func(a, b string) int { return modified(a).Compare(modified(b)) })
	f, err := os.Open(found[len(found)-1])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	root := t.TempDir()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		unpackEntry(t, root, h, r)
	}
	libraries := filepath.Join(root, "usr/lib/x86_64-linux-gnu")
	loader, err := filepath.Glob(filepath.Join(libraries, "ld-linux-x86-64.so.2"))
	if err != nil || len(loader) == 0 {
		t.Fatalf("no loader in %s", libraries)
	}
	return []string{loader[0], "--library-path", libraries, filepath.Join(root, "usr/sbin/nginx"), "-p", root, "-e", filepath.Join(root, "error.log")},
		filepath.Join(root, "etc/nginx/mime.types")
}

// modified is when a file was last written; the zero time if it is gone.
func modified(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

func unpackEntry(t *testing.T, root string, h *tar.Header, r io.Reader) {
	t.Helper()
	path := filepath.Join(root, filepath.Clean("/"+h.Name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	switch h.Typeflag {
	case tar.TypeSymlink:
		if err := os.Symlink(h.Linkname, path); err != nil && !errors.Is(err, os.ErrExist) {
			t.Fatal(err)
		}
	case tar.TypeReg:
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, h.FileInfo().Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
}

// realNginx is an nginx that listens on free ports of the loopback.
func realNginx(t *testing.T) *nginx {
	t.Helper()
	argv, mimeTypes := unpackNginx(t)
	dir := t.TempDir()
	s := settings{
		HTTPPort: freePort(t), HTTPSPort: freePort(t), StatusPort: freePort(t), Dir: dir, Workers: 2,
		AccessLog: filepath.Join(dir, "access.log"), ErrorLog: filepath.Join(dir, "error.log"), MimeTypes: mimeTypes,
	}
	n := &nginx{settings: s, argv: argv}
	if err := n.prepare(time.Now()); err != nil {
		t.Fatal(err)
	}
	// Debian's places for bodies are under /var/lib/nginx, which is root's.
	for _, d := range []string{"body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		if err := os.MkdirAll(filepath.Join("/var/lib/nginx", d), 0o700); err != nil {
			t.Skipf("nginx needs its folder: %v", err)
		}
	}
	t.Cleanup(func() {
		if err := n.stop(); err != nil {
			t.Errorf("stopping nginx: %v", err)
		}
		if t.Failed() {
			log, err := os.ReadFile(s.ErrorLog)
			t.Logf("nginx said (%v):\n%s", err, log)
		}
	})
	return n
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// serve makes nginx work with a world in which every Service is answered by a
// backend that says which Service it is, and which path it was asked for.
func serve(t *testing.T, n *nginx, w world) {
	t.Helper()
	for service := range w.Services {
		name := service[strings.Index(service, "/")+1:]
		backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s %s", name, r.URL.Path)
		}))
		t.Cleanup(backend.Close)
		port := backend.Listener.Addr().(*net.TCPAddr).Port
		for _, s := range w.Slices[service] {
			s.Ports[0].Port = ptr.To(int32(port))
			s.Endpoints = []discoveryv1.Endpoint{{Addresses: []string{"127.0.0.1"}}}
		}
	}
	config, _ := build(w)
	text, sum := write(config, n.settings)
	if err := n.test(t.Context(), text, config.Certificates); err != nil {
		t.Fatal(err)
	}
	if err := n.apply(t.Context(), text, sum, config.Certificates); err != nil {
		t.Fatal(err)
	}
}

// ask sends a request, over TLS if the URL says so, and gives the answer's code
// and body, or where it redirects to.
func (n *nginx) ask(t *testing.T, url string, header map[string]string) (int, string) {
	t.Helper()
	port := n.settings.HTTPPort
	if strings.HasPrefix(url, "https:") {
		port = n.settings.HTTPSPort
	}
	client := &http.Client{
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1:"+strconv.Itoa(port))
			},
		},
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		request.Header.Set(k, v)
	}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if to := answer.Header.Get("Location"); to != "" {
		return answer.StatusCode, to
	}
	return answer.StatusCode, string(body)
}

// TestNginxAnswers asks real nginx about the worlds of the golden files.
func TestNginxAnswers(t *testing.T) {
	n, serving := realNginx(t), ""
	for _, c := range []struct{ world, url, want string }{
		// Of Exact and Prefix the exact one, of prefixes the longest, and whole elements only.
		{"paths", "http://shop.test/cart", "200 c /cart"},
		{"paths", "http://shop.test/cart/", "200 a /cart/"},
		{"paths", "http://shop.test/cart/x", "200 a /cart/x"},
		{"paths", "http://shop.test/cart/pay", "200 b /cart/pay"},
		{"paths", "http://shop.test/cart/pay/", "200 a /cart/pay/"},
		{"paths", "http://shop.test/carts", "404 default backend - 404\nno accepted Ingress has a rule for host shop.test and path /carts\n"},
		{"paths", "http://shop.test/Cart", "404 default backend - 404\nno accepted Ingress has a rule for host shop.test and path /Cart\n"},
		{"paths", "http://shop.test/images", "404 default"},
		{"paths", "http://shop.test/imgs", "200 a /imgs"},
		{"paths", "http://shop.test/img/x", "200 b /img/x"},
		{"paths", "http://shop.test/late", "200 b /late"},
		{"paths", `http://shop.test/we%20ird;%5C%22%7D$xyz`, `200 c /we ird;\"}$xyz`},
		{"paths", "http://other.test/cart", "404 default"},
		{"default", "http://nobody.test/anything", "200 a /anything"},
		{"default", "http://shop.test/x/y", "200 a /x/y"},
		{"default", "http://shop.test/y", "200 b /y"},
		{"default", "http://one.wild.test/", "200 a /"},
		{"default", "http://two.labels.wild.test/z", "200 a /z"}, // not the wildcard's, but everybody's default
		{"default", "http://gone.test/", "503 "},
		{"rewrite", "http://shop.test/api/v1/x", "200 a /v1/x"},
		{"rewrite", "http://shop.test/API/v1", "200 a /v1"},
		{"rewrite", "http://shop.test/api", "200 a /"},
		{"rewrite", "http://shop.test/apis", "200 b /apis"},
		{"rewrite", "http://shop.test/cartoon", "200 b /cartoon"},
		{"tls", "http://shop.test/a?b=c", "308 https://shop.test/a?b=c"},
		{"tls", "https://shop.test/a", "200 a /a"},
		{"tls", "https://lost.test/", "200 a /"},
		{"tls", "http://open.test/", "200 a /"},
		{"tls", "https://unknown.test/", "404 default"},
		{"annotations", "http://shop.test/", "308 https://shop.test/"},
		{"annotations", "https://shop.test/", "302 https://shop.test/app"},
		{"annotations", "http://evil.test/", "404 default"},
	} {
		if serving != c.world {
			serve(t, n, readWorld(t, readFile(t, "testdata/"+c.world+".yaml")))
			serving = c.world
		}
		t.Run(c.world+" "+c.url, func(t *testing.T) {
			code, body := n.ask(t, c.url, nil)
			if got := fmt.Sprintf("%d %s", code, body); got != c.want && !strings.HasPrefix(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestNginxShowsTheHostsCertificate(t *testing.T) {
	n := realNginx(t)
	serve(t, n, readWorld(t, readFile(t, "testdata/tls.yaml")))
	for host, want := range map[string]string{
		"shop.test": "shop.test", "a.wild.test": "shop.test", "other.test": "Kubernetes Ingress Controller Fake Certificate", "": "Kubernetes Ingress Controller Fake Certificate",
	} {
		conn, err := tls.Dial("tcp", "127.0.0.1:"+strconv.Itoa(n.settings.HTTPSPort), &tls.Config{ServerName: host, InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.ConnectionState().PeerCertificates[0].Subject.CommonName; got != want {
			t.Errorf("for host %q the certificate is of %q, want %q", host, got, want)
		}
		conn.Close()
	}
	// Without the Secret its file goes, too.
	w := readWorld(t, readFile(t, "testdata/tls.yaml"))
	w.Secrets = map[string]*v1.Secret{}
	serve(t, n, w)
	files, err := os.ReadDir(filepath.Join(n.settings.Dir, "ssl"))
	if err != nil || len(files) != 1 {
		t.Errorf("certificates left: %v %v", files, err)
	}
}

func TestNginxSharesWithACanary(t *testing.T) {
	n := realNginx(t)
	serve(t, n, readWorld(t, readFile(t, "testdata/canary.yaml")))
	got := map[string]int{}
	const requests = 400
	for range requests {
		_, body := n.ask(t, "http://shop.test/", nil)
		got[body]++
	}
	// A quarter of 400 is 100, with a standard deviation of 8.7: this is six of them.
	if b := got["b /"]; b < 48 || b > 152 || got["a /"] != requests-b {
		t.Errorf("the answers were %v, want about a quarter of b", got)
	}
	for value, want := range map[string]string{"always": "b /", "never": "a /"} {
		for range 10 {
			if _, body := n.ask(t, "http://shop.test/", map[string]string{"X-Try-New": value}); body != want {
				t.Errorf("with the header %s the answer is %q, want %q", value, body, want)
			}
			if _, body := n.ask(t, "http://shop.test/", map[string]string{"Cookie": "try=" + value}); body != want {
				t.Errorf("with the cookie %s the answer is %q, want %q", value, body, want)
			}
		}
	}
}

func TestNginxRefusesAndSaysWhy(t *testing.T) {
	n := realNginx(t)
	w := readWorld(t, readFile(t, "testdata/rewrite.yaml"))
	w.Ingresses[0].Spec.Rules[0].HTTP.Paths[0].Path = "/api("
	config, _ := build(w)
	text, _ := write(config, n.settings)
	err := n.test(t.Context(), text, nil)
	var refusal *refusedError
	if !errors.As(err, &refusal) || !strings.Contains(err.Error(), "nginx: [emerg] pcre2_compile() failed: missing closing parenthesis") ||
		!strings.Contains(err.Error(), "Error: exit status 1") {
		t.Errorf("got %v", err)
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Error("the cause is not in the error")
	}
}

// Every golden text must be one that nginx takes.
func TestNginxTakesEveryGolden(t *testing.T) {
	n := realNginx(t)
	worlds, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range worlds {
		config, _ := build(readWorld(t, readFile(t, path)))
		text, _ := write(config, n.settings)
		if err := n.test(t.Context(), text, config.Certificates); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
