package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/random"

	"noriter.dev/noriter/cluster/images"
	"noriter.dev/noriter/cluster/registry"
)

// testQuota is the registries' in tests.
const testQuota = 1 << 20

// ask sends a request to the open registry as somebody, and gives the answer.
func ask(t *testing.T, at, method, path, user, password string, body io.Reader) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+at+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// TestOnlyTheHostPushes: any pod reaches the registry and knows the lesson's password.
func TestOnlyTheHostPushes(t *testing.T) {
	client, at := start(t)
	image, err := random.Image(1024, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{images.OpenRegistry, images.PrivateRegistry} {
		if _, err := client.Push(t.Context(), host+"/hello:v1", image); err != nil {
			t.Fatal(err)
		}
		for _, who := range [][2]string{{"", ""}, {registry.User, registry.Password}, {"nori", ""}, {"nori", "wrong"}} {
			pod := *client
			pod.Writer, pod.WriterPassword = who[0], who[1]
			other, err := random.Image(1024, 1)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := pod.Push(t.Context(), host+"/hello:v1", other); err == nil {
				t.Errorf("%s: %q replaced hello:v1", host, who[0])
			}
		}
		if sent, err := client.Push(t.Context(), host+"/hello:v1", image); err != nil || sent {
			t.Errorf("%s: hello:v1 is another image now (%v)", host, err)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, "MKCOL"} {
		resp, text := ask(t, at["5000"], method, "/v2/hello/blobs/uploads/", "", "", nil)
		if resp.StatusCode != http.StatusUnauthorized || !strings.Contains(text, "nori image push") || resp.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s without an account: %s: %s", method, resp.Status, text)
		}
	}
	if resp, _ := ask(t, at["5000"], http.MethodGet, "/v2/hello/manifests/v1", "", "", nil); resp.StatusCode != http.StatusOK {
		t.Errorf("pulling needs an account: %s", resp.Status)
	}
}

func TestQuota(t *testing.T) {
	client, at := start(t)
	image, err := random.Image(300<<10, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Push(t.Context(), images.OpenRegistry+"/a:v1", image); err != nil {
		t.Fatal(err)
	}
	large, err := random.Image(900<<10, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Push(t.Context(), images.PrivateRegistry+"/b:v1", large); err == nil || !strings.Contains(err.Error(), "its quota is 1 MiB") {
		t.Errorf("beyond the quota of both: %v", err)
	}
	// In pieces whose length nobody tells.
	resp, _ := ask(t, at["5000"], http.MethodPost, "/v2/c/blobs/uploads/", "nori", "secret", nil)
	to := strings.TrimPrefix(resp.Header.Get("Location"), "http://"+at["5000"])
	resp, text := ask(t, at["5000"], http.MethodPatch, to, "nori", "secret", io.LimitReader(zeros{}, 100<<20))
	if resp.StatusCode != http.StatusInsufficientStorage || !strings.Contains(text, "quota") {
		t.Errorf("without a length: %s: %s", resp.Status, text)
	}
	// What was refused takes no room.
	if image, err = random.Image(300<<10, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Push(t.Context(), images.OpenRegistry+"/d:v1", image); err != nil {
		t.Errorf("what fits: %v", err)
	}
}

type zeros struct{}

// Read never ends.
func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestPurge(t *testing.T) {
	dir := t.TempDir()
	if err := purge(t.Context(), dir, time.Now()); err != nil {
		t.Errorf("an empty registry: %v", err)
	}
	now := time.Now()
	for name, begun := range map[string]time.Time{"old": now.Add(-2 * time.Hour), "new": now} {
		upload := filepath.Join(dir, "docker/registry/v2/repositories/a/_uploads", fmt.Sprintf("%s-1111-4111-8111-111111111111", map[string]string{"old": "00000000", "new": "11111111"}[name]))
		if err := os.MkdirAll(upload, 0o755); err != nil {
			t.Fatal(err)
		}
		for file, content := range map[string]string{"startedat": begun.UTC().Format(time.RFC3339), "data": "half a layer"} {
			if err := os.WriteFile(filepath.Join(upload, file), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := purge(context.Background(), dir, now.Add(-uploadAge)); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "docker/registry/v2/repositories/a/_uploads/*"))
	if err != nil || len(left) != 1 || !strings.Contains(left[0], "11111111") {
		t.Errorf("left are %v, %v", left, err)
	}
}
