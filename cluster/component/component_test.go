package component

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/utils/ptr"
)

func lease(holder string, renewed time.Time) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-scheduler"},
		Spec: coordinationv1.LeaseSpec{HolderIdentity: ptr.To(holder), LeaseDurationSeconds: ptr.To[int32](15),
			AcquireTime: ptr.To(metav1.NewMicroTime(renewed)), RenewTime: ptr.To(metav1.NewMicroTime(renewed))},
	}
}

func health(t *testing.T) *Health {
	t.Helper()
	h, err := ServeHealth(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// A process that was killed left its lease behind; the next one on the same host
// must not wait the 15 s until it expires.
func TestRestartedProcessLeadsAtOnce(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	client := fake.NewClientset(lease(host, time.Now()))
	began := time.Now()
	err = Election{Lease: "kube-scheduler", Client: client, Health: health(t), Times: DefaultLeaseTimes}.Run(t.Context(), func(context.Context) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %v to lead with a fresh lease of the same host, want at once", took)
	}
	left, err := client.CoordinationV1().Leases("kube-system").Get(t.Context(), "kube-scheduler", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if holder := ptr.Deref(left.Spec.HolderIdentity, ""); holder != "" {
		t.Errorf("lease is still held by %q after the end, want it released", holder)
	}
}

func TestLeaseOfAnotherHostIsRespected(t *testing.T) {
	client := fake.NewClientset(lease("another-host", time.Now()))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := Election{Lease: "kube-scheduler", Client: client, Health: health(t), Times: DefaultLeaseTimes}.Run(ctx, func(context.Context) error {
		t.Error("led while another host holds the lease")
		return nil
	})
	if err != nil {
		t.Errorf("Run = %v at the end of its context, want nil", err)
	}
}

// Without a port that only one process can hold, the host's name proves nothing.
func TestIdentityIsUniqueWithoutAHealthPort(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	client := fake.NewClientset(lease(host, time.Now()))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err = Election{Lease: "kube-scheduler", Client: client, Health: &Health{}, Times: DefaultLeaseTimes}.Run(ctx, func(context.Context) error {
		t.Error("took over a lease that another process of this host may hold")
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestWorkEndsBeforeTheLeaseIsReleased(t *testing.T) {
	client := fake.NewClientset()
	ctx, cancel := context.WithCancel(t.Context())
	holderWhileStopping := ""
	err := Election{Lease: "kube-scheduler", Client: client, Health: health(t), Times: DefaultLeaseTimes}.Run(ctx, func(held context.Context) error {
		cancel()
		<-held.Done()
		time.Sleep(50 * time.Millisecond) // work that takes a while to stop
		l, err := client.CoordinationV1().Leases("kube-system").Get(context.Background(), "kube-scheduler", metav1.GetOptions{})
		if err != nil {
			return err
		}
		holderWhileStopping = ptr.Deref(l.Spec.HolderIdentity, "")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if holderWhileStopping == "" {
		t.Error("the lease was released while work under it was still going on")
	}
}

func TestLeaseTimes(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want LeaseTimes
		ok   bool
	}{
		"upstream's": {nil, DefaultLeaseTimes, true},
		"four times": {[]string{"--leader-elect-lease-duration=1m0s", "--leader-elect-renew-deadline=40s", "--leader-elect-retry-period=8s"},
			LeaseTimes{time.Minute, 40 * time.Second, 8 * time.Second}, true},
		"a deadline beyond the lease": {[]string{"--leader-elect-renew-deadline=15s"}, LeaseTimes{15 * time.Second, 15 * time.Second, 2 * time.Second}, false},
		"no time to retry":            {[]string{"--leader-elect-retry-period=5s"}, LeaseTimes{15 * time.Second, 10 * time.Second, 5 * time.Second}, false},
	} {
		var times LeaseTimes
		fs := pflag.NewFlagSet(name, pflag.ContinueOnError)
		times.AddFlags(fs)
		if err := fs.Parse(c.args); err != nil {
			t.Fatal(err)
		}
		if err := times.Validate(); times != c.want || (err == nil) != c.ok {
			t.Errorf("%s: %+v, %v", name, times, err)
		}
	}
}

// The lease says for how long it is held.
func TestLeaseIsHeldAsLongAsAsked(t *testing.T) {
	client := fake.NewClientset()
	times := LeaseTimes{Duration: time.Minute, RenewDeadline: 40 * time.Second, RetryPeriod: 8 * time.Second}
	err := Election{Lease: "kube-scheduler", Client: client, Health: health(t), Times: times}.Run(t.Context(), func(ctx context.Context) error {
		l, err := client.CoordinationV1().Leases("kube-system").Get(ctx, "kube-scheduler", metav1.GetOptions{})
		if err == nil && ptr.Deref(l.Spec.LeaseDurationSeconds, 0) != 60 {
			t.Errorf("the lease is held for %d s", ptr.Deref(l.Spec.LeaseDurationSeconds, 0))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestErrorOfTheWorkIsReturned(t *testing.T) {
	want := errors.New("broken")
	err := Election{Lease: "kube-scheduler", Client: fake.NewClientset(), Health: health(t), Times: DefaultLeaseTimes}.Run(t.Context(),
		func(context.Context) error { return want })
	if !errors.Is(err, want) {
		t.Errorf("Run = %v, want %v", err, want)
	}
}

func TestHealthAnswersAndExcludesASecondProcess(t *testing.T) {
	h := health(t)
	response, err := http.Get("http://" + h.listener.Addr().String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Errorf("/healthz answers %s", response.Status)
	}
	if _, err := ServeHealth(t.Context(), h.listener.Addr().String()); err == nil || !strings.Contains(err.Error(), "running already") {
		t.Errorf("second listener: %v, want an error that says why", err)
	}
}

func TestNotifyReady(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := NotifyReady(); err != nil {
		t.Errorf("without systemd: %v", err)
	}
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	if err := NotifyReady(); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 64)
	n, err := conn.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(buffer[:n]); got != "READY=1" {
		t.Errorf("systemd was told %q", got)
	}
}

func TestMissingKubeconfigSaysWhatToDo(t *testing.T) {
	_, err := ClientConfig("/nonexistent/scheduler.conf", "test")
	if err == nil || !strings.Contains(err.Error(), "--kubeconfig") {
		t.Errorf("error %v names no remedy", err)
	}
}
