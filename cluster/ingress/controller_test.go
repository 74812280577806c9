package ingress

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/ptr"
)

// TestControllerServesAllButTheBadOne runs the whole controller on a fake API and
// real nginx.
func TestControllerServesAllButTheBadOne(t *testing.T) {
	n := realNginx(t)
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: "controller", Labels: podLabels},
		Status:     v1.PodStatus{HostIP: "10.0.0.7", Conditions: []v1.PodCondition{{Type: v1.PodReady, Status: v1.ConditionTrue}}},
	}
	class := &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "nginx"}, Spec: networkingv1.IngressClassSpec{Controller: ControllerName}}
	good, bad, foreign := ingressFor("good", "good.test", "/"), ingressFor("bad", "bad.test", "/("), ingressFor("foreign", "foreign.test", "/")
	good.Spec.IngressClassName, bad.Spec.IngressClassName, foreign.Spec.IngressClassName = ptr.To("nginx"), ptr.To("nginx"), ptr.To("other")
	bad.Spec.Rules[0].HTTP.Paths[0].PathType = ptr.To(networkingv1.PathTypeImplementationSpecific)
	bad.Annotations = map[string]string{prefix + "use-regex": "true"}
	client := fake.NewClientset(pod, class, good, bad, foreign)

	ctx, stop := context.WithCancel(t.Context())
	watch, err := newWatcher(ctx, client, Namespace)
	if err != nil {
		t.Fatal(err)
	}
	events := record.NewFakeRecorder(100)
	c := &controller{client: client, watch: watch, nginx: n, recorder: events, self: &v1.ObjectReference{Kind: "Pod", Name: "controller"}}
	ended := make(chan error, 1)
	go func() { ended <- c.run(ctx) }()

	seen := until(t, events.Events, "Warning RELOAD Error reloading NGINX:")
	if !strings.Contains(seen, "Normal Sync Scheduled for sync") {
		t.Errorf("events before: %s", seen)
	}
	eventually(t, "the status", func() error {
		for name, want := range map[string]int{"good": 1, "bad": 1, "foreign": 0} {
			ing, err := client.NetworkingV1().Ingresses("default").Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if got := len(ing.Status.LoadBalancer.Ingress); got != want {
				return fmt.Errorf("%s has %d addresses, want %d", name, got, want)
			}
		}
		return nil
	})
	if code, _ := n.ask(t, "http://good.test/", nil); code != 503 {
		t.Errorf("good.test answers %d, want 503: it is known but has no endpoint", code)
	}
	for _, host := range []string{"bad", "foreign"} {
		if code, _ := n.ask(t, "http://"+host+".test/", nil); code != 404 {
			t.Errorf("%s.test answers %d, want 404", host, code)
		}
	}

	// Mended, it is served. Nothing is told twice meanwhile.
	bad.Spec.Rules[0].HTTP.Paths[0].Path = "/"
	bad.Generation++
	if _, err := client.NetworkingV1().Ingresses("default").Update(ctx, bad, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the mended Ingress is served", func() error {
		if code, _ := n.ask(t, "http://bad.test/", nil); code != 503 {
			return fmt.Errorf("it answers %d", code)
		}
		return nil
	})
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	close(events.Events)
	for e := range events.Events {
		if strings.HasPrefix(e, "Warning") {
			t.Errorf("told again: %s", e)
		}
	}
}

// until reads events up to one that begins so, and gives all of them.
func until(t *testing.T, events <-chan string, begin string) string {
	t.Helper()
	var all strings.Builder
	limit := time.After(60 * time.Second)
	for {
		select {
		case e := <-events:
			all.WriteString(e + "\n")
			if strings.HasPrefix(e, begin) {
				return all.String()
			}
		case <-limit:
			t.Fatalf("no event that begins with %q; there were:\n%s", begin, all.String())
		}
	}
}

func eventually(t *testing.T, what string, ask func() error) {
	t.Helper()
	var last error
	for begin := time.Now(); time.Since(begin) < 60*time.Second; time.Sleep(20 * time.Millisecond) {
		if last = ask(); last == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, last)
}
