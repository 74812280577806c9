package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	fcache "k8s.io/client-go/tools/cache/testing"
)

func defaults(t *testing.T) Options {
	t.Helper()
	var o Options
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.AddFlags(fs)
	if err := fs.Parse([]string{"--hostname-override=node"}); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestOptions(t *testing.T) {
	o := defaults(t)
	if err := o.Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
	bad := Options{ClusterCIDR: "fd00::/8", NodePortAddresses: []string{"here"}, MinSyncPeriod: -1, HealthAddress: "nowhere"}
	err := bad.Validate()
	for _, flag := range []string{"kubeconfig", "hostname-override", "cluster-cidr", "nodeport-addresses", "sync-period", "min-sync-period", "healthz"} {
		if err == nil || !strings.Contains(err.Error(), "--"+flag) {
			t.Errorf("--%s is not complained about: %v", flag, err)
		}
	}
}

func TestHealthTurnsBad(t *testing.T) {
	h, err := serveHealth(t.Context(), "", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		limit time.Duration
		want  int
	}{{time.Hour, http.StatusOK}, {-1, http.StatusServiceUnavailable}} {
		h.limit = c.limit
		r := newRecorder()
		h.serveHTTP(r, nil)
		if r.code != c.want {
			t.Errorf("limit %s: %d", c.limit, r.code)
		}
	}
}

type recorder struct {
	http.ResponseWriter
	header http.Header
	code   int
}

func newRecorder() *recorder                          { return &recorder{header: http.Header{}} }
func (r *recorder) Header() http.Header               { return r.header }
func (r *recorder) WriteHeader(code int)              { r.code = code }
func (r *recorder) Write(content []byte) (int, error) { return io.Discard.Write(content) }

// TestRunFollowsTheAPI runs everything but the connection to an API server,
// and measures how long a change takes from the watch to the kernel.
func TestRunFollowsTheAPI(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	buildNode(t)
	services, endpointSlices := fcache.NewFakeControllerSource(), fcache.NewFakeControllerSource()
	for i := range 50 { // neighbours, so that the measurement means something
		name := fmt.Sprintf("svc%d", i)
		services.Add(testService(name, fmt.Sprintf("10.96.8.%d", i+1), int32(31000+i)))
		endpointSlices.Add(testSlice(name, "10.244.2.2", "10.244.2.3", "10.244.2.4"))
	}
	services.Add(testService("web", "10.96.7.7", 30080))
	endpointSlices.Add(testSlice("web"))

	ctx, cancel := context.WithCancel(t.Context())
	done, ready := make(chan error, 1), make(chan struct{})
	began := time.Now()
	go func() {
		done <- run(ctx, defaults(t), services, endpointSlices, func() error { close(ready); return nil })
	}()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	case <-time.After(20 * time.Second):
		t.Fatal("not ready after 20s")
	}
	t.Logf("ready with 51 Services after %s", time.Since(began))
	refused(t, "client", nodePort)

	var took []time.Duration
	for i := range 20 {
		time.Sleep(50 * time.Millisecond) // changes that follow one another at once wait for each other
		began := time.Now()
		address := fmt.Sprintf("10.244.1.%d", 2+i%2)
		slice := testSlice("web", address)
		slice.Ports = slice.Ports[:1] // TCP only: no flows to look through
		endpointSlices.Modify(slice)
		want := fmt.Sprintf("pod%d", 1+i%2)
		for {
			if pod, _, err := ask(t, "node", vip); err == nil && pod == want {
				break
			}
			time.Sleep(time.Millisecond)
			if time.Since(began) > 5*time.Second {
				t.Fatalf("change %d has not arrived after 5s", i)
			}
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("from the change in the API to the other pod's answer: p50 %s, max %s", took[10], took[19])
	if took[10] > 250*time.Millisecond {
		t.Errorf("half of the changes took longer than %s", took[10])
	}

	services.Delete(testService("web", "10.96.7.7", 30080))
	began = time.Now()
	for _, _, err := ask(t, "client", nodePort); err == nil; _, _, err = ask(t, "client", nodePort) {
		if time.Since(began) > 5*time.Second {
			t.Fatal("a deleted Service answers after 5s")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	run1(t, "nft list map ip kube-proxy service-ips | grep -q svc7") // the rules stay
}
